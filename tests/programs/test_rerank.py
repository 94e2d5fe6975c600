"""The likeliest whales of a search are ranked again."""

import numpy as np
import pytest

from tests.evaluation.test_phase import heads
from tests.programs.test_stages import photos
from whale_jax.data import images, predictions, probabilities, right_whale, splits
from whale_jax.programs import rerank
from whale_jax.runtime import errors
from whale_jax.workflow import program, stage


@pytest.fixture
def reranking(tmp_path, monkeypatch):
    """Looks at six photos of three whales that are held out in turn with six searched, and two without a name."""
    data = photos(14)
    whale = np.append(data.label[:12], [0, 1])
    pictures = np.stack([np.roll(heads(3)[w], i % 5 - 2, axis=1) for i, w in enumerate(whale)])
    matrices = np.tile(np.eye(3, dtype=np.float32), (14, 1, 1))
    matrices[[2, 13]] = np.nan  # one that is searched and one that asks
    view = images.View(np.clip(pictures, 0, 255).astype(np.uint8)[..., None].repeat(3, axis=-1), matrices)
    split = splits.Split(np.arange(14) // 6, data.label, np.zeros(14, bool), np.arange(14), "h", 2, 0)
    split.fold[12:] = -1
    monkeypatch.setattr(right_whale, "load", lambda folder: data)
    monkeypatch.setattr(splits, "load", lambda folder, photos: split)
    monkeypatch.setattr(images, "load", lambda folder: view)

    def run(scores, **changes):
        predictions.save(tmp_path, data, arrays={"scores": scores})
        changes = {"inputs": {"scores": str(tmp_path), "view": "view"}, **changes}
        result = rerank.run(stage.config("rerank", fold=1, **changes), tmp_path / "out")
        return result, predictions.load(tmp_path / "out", data, kind="scores")

    (tmp_path / "out").mkdir()
    return run, data


def test_a_moved_head_is_found_among_all_whales_and_photos_without_a_head_have_no_scores(reranking):
    run, data = reranking
    result, scores = run(np.zeros((14, 3)))
    assert (result["queries"], result["metrics"]["top1"], result["metrics"]["among_likeliest"]) == (6, 1, 1)
    np.testing.assert_array_equal(scores[6:12].argmax(1), data.label[6:12])
    assert scores[12].argmax() == 0
    assert np.isnan(scores[[*range(6), 13]]).all()


def test_whales_that_are_not_ranked_again_have_the_mean_score_of_the_rest(reranking):
    run, data = reranking
    unlikely = np.tile([0.0, 1.0, 0.5], (14, 1))
    scores = run(unlikely, num_candidates=2)[1]
    np.testing.assert_allclose(scores[6:12, 0], scores[6:12, 1:].mean(1), rtol=1e-5)
    metrics = run(unlikely, num_candidates=2)[0]["metrics"]
    assert metrics["among_likeliest"] == pytest.approx((data.label[6:12] > 0).mean())


def test_photos_without_a_name_are_compared_with_those_held_out_too(reranking):
    """A photo that is a copy of one held out is as like its whale as can be; a photo held out knows of no other."""
    run, data = reranking
    view = images.load("view")
    view.images[12] = view.images[7]
    scores = run(np.zeros((14, 3)))[1]
    assert scores[12, data.label[7]] == pytest.approx(scores.max(where=np.isfinite(scores), initial=0))
    assert scores[7, data.label[7]] < scores[12, data.label[7]]


def test_the_likeliest_may_be_those_of_several_searches_together(reranking, tmp_path):
    run, data = reranking
    p = np.tile([0.1, 0.6, 0.3], (14, 1))
    probabilities.save(tmp_path, data, arrays={"fused": p, "hog": p[:, ::-1]})
    scores = run(p[:, ::-1], num_candidates=2)[1]  # whose likeliest whales are others
    np.testing.assert_allclose(scores[6:12, 0], scores[6:12, 1:].mean(1), rtol=1e-5)


def test_where_heads_have_the_same_outlines_the_map_of_a_network_tells_them_apart(reranking, tmp_path):
    run, data = reranking
    view = images.load("view")
    view.images[:] = view.images[0]
    whale = np.append(data.label[:12], [0, 1])
    rng = np.random.default_rng(0)
    features = rng.normal(size=(3, 2 * 4 * 5))[whale] + rng.normal(0, 0.1, (14, 40))
    features[7] = np.nan  # a photo that the network has not seen
    (tmp_path / "map").mkdir()
    predictions.save(tmp_path / "map", data, arrays={"features": np.float16(features)})
    by_outlines = run(np.zeros((14, 3)))[1]
    inputs = {"scores": str(tmp_path), "view": "view", "features": str(tmp_path / "map")}
    result, scores = run(np.zeros((14, 3)), inputs=inputs, grid=(2, 4))
    assert result["queries"] == 5
    queries = [6, 8, 9, 10, 11, 12]
    np.testing.assert_array_equal((scores - by_outlines)[queries].argmax(1), whale[queries])
    assert np.isnan(scores[[7, 13]]).all()


def test_features_of_a_map_of_unknown_rows_and_columns_are_refused():
    with pytest.raises(errors.InputError, match=r"config\.grid"):
        program.check(stage.config("rerank", inputs={"features": "map"}))


def test_without_scores_of_a_photo_held_out_it_is_refused(reranking):
    scores = np.full((14, 3), np.nan)
    scores[12:] = 0  # nobody knows who is on these
    with pytest.raises(
        errors.InputError, match=r"no pictures of both photos trained on and photos held out that .* know"
    ):
        reranking[0](scores)
