"""Embeddings are trained, asked about photos held out, and refused where there is nothing to compare."""

import csv

import numpy as np
import pytest
from scipy import special

from tests.experiment.world import MODEL, World
from tests.programs.test_stages import photos
from whale_jax.data import predictions, right_whale, splits
from whale_jax.evaluation import calibration, retrieval, whitening
from whale_jax.experiment import build, fit
from whale_jax.recognition import search
from whale_jax.runtime import errors
from whale_jax.workflow import json_files, stage

EMBED = {"task": {"name": "embed", "dimensions": 3}, "images_per_class": 2, "batch": 3}


@pytest.fixture
def world(tmp_path, monkeypatch):
    built = World(tmp_path, monkeypatch)
    label = np.array([0, 0, 1, 1, 0, 1], np.int32)
    built.photos = built.photos._replace(label=label)
    built.split = built.split._replace(fold=np.array([0, 1, 0, 1, 1, 1]), label=label, group=np.arange(6))
    return built


def test_an_embedding_learns_and_is_measured_by_the_photos_trained_on(world):
    world.train("embedding", **EMBED, num_train_eval=2)
    result = json_files.read(world.folder / "embedding" / "result.json")
    assert (result["trained_on"], result["validated_on"], result["fold"]) == (4, 2, 0)
    assert {"top1", "prototype_top1", "map", "auroc", "spread"} <= result["metrics"].keys()
    assert not (world.folder / "embedding" / "whales.json").exists()
    extract = stage.config("extract", inputs={"network": str(world.folder / "embedding")})
    stage.run(extract, world.folder / "features")
    features = predictions.load(world.folder / "features", world.photos, kind="features")
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)


def test_a_collapsed_embedding_says_so(world, monkeypatch):
    messages = []
    monkeypatch.setattr(fit.logging, "warning", lambda text, *values: messages.append(text % values))
    world.view = world.view._replace(images=np.full_like(world.view.images, 7))  # all pictures are alike
    world.train("embedding", **EMBED)
    assert len(messages) == 1
    assert "the network has collapsed" in messages[0]


@pytest.mark.parametrize("changes", [{"images_per_class": 1}, {"batch": 2}])
def test_batches_that_hold_no_triplet_are_refused(world, changes):
    with pytest.raises(errors.InputError, match="hold no two photos of a whale and one of another"):
        world.train("embedding", **EMBED | changes)


@pytest.mark.parametrize(("label", "whales", "most"), [([0, 0, 1, 1, 2, 3], 4, 1), ([0] * 6, 1, 4)])
def test_photos_that_hold_no_triplet_are_refused_before_anything_is_compiled(world, monkeypatch, label, whales, most):
    monkeypatch.setattr(build, "network", None)
    label = np.array(label, np.int32)
    world.photos = world.photos._replace(label=label, whales=("a", "b", "c", "d"))
    world.split = world.split._replace(label=label)
    with pytest.raises(errors.InputError, match=f"are of {whales} whales with at most {most} photos each"):
        world.train("embedding", **EMBED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": {"name": "arcface"}}, "the task 'arcface' and the head 'cosine' or 'gem_cosine' belong together"),
        ({"model": {**MODEL, "head": "cosine"}}, "the head 'cosine' or 'gem_cosine' belong together"),
        ({"task": {"name": "stn", "crop": (4, 8)}}, "the task 'stn' and the model 'stn' belong together"),
        ({"model": {**MODEL, "grown": (2,)}}, r"model.grown = \(2,\) of stages of \(1,\)"),
        ({"init": "grown"}, "needs inputs.weights"),
        (
            {"optimizer": {"name": "adam", "lr": 0.1, "groups": [["localizer/.*", {}]]}},
            "'localizer/.*' in optimizer.groups matches",
        ),
        ({**EMBED, "accumulate": 3}, "'embed' compares the photos of a batch: .* config.accumulate = 1"),
        ({"program": "crossfit", **EMBED}, "embeddings of two networks cannot be compared"),
    ],
)
def test_what_does_not_belong_together_is_refused_by_its_config(world, changes, message):
    with pytest.raises(errors.InputError, match=message):
        world.train("network", **changes)


def test_a_localizer_without_any_points_to_learn_from_is_refused(world, monkeypatch):
    monkeypatch.setattr(build, "network", None)
    world.photos = world.photos._replace(points=np.full_like(world.photos.points, np.nan))
    model = {"name": "stn", "localizer": MODEL, "classifier": MODEL, "crop": (4, 8), "shrink": 2}
    with pytest.raises(errors.InputError, match="of the 4 photos to train on none has points that are used"):
        world.train("network", task={"name": "stn", "crop": (4, 8)}, model=model)
    with pytest.raises(errors.InputError, match=r"task.crop = \(4, 4\) and model.crop = \(4, 8\)"):
        world.train("network", task={"name": "stn", "crop": (4, 4)}, model=model)


@pytest.mark.slow
def test_a_cosine_head_learns_by_arcface(world):
    head = {"model": {**MODEL, "head": "cosine"}, "task": {"name": "arcface"}}
    world.train("arcface", **head)
    result = json_files.read(world.folder / "arcface" / "result.json")
    assert {"log_loss", "top1"} <= result["metrics"].keys()
    assert json_files.read(world.folder / "arcface" / "whales.json")


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Asks a gallery of photos with embeddings, of which the last two have no name."""
    data = photos(10)  # whales 0, 1, 2 in turn, two photos without a name
    features = np.eye(3)[np.arange(10) % 3] + np.random.default_rng(0).normal(0, 0.05, (10, 3))
    fold = np.array([0, 0, 1, 1, 1, 0, 1, 1, -1, -1])
    split = splits.Split(fold, data.label, np.zeros(10, bool), np.arange(10), "h", 2, 0)
    for name in ("photos", "split", "features"):
        (tmp_path / name).mkdir()
        json_files.write(tmp_path / name / "result.json", {"digest": name, "split": "h" if name == "split" else None})
    predictions.save(tmp_path / "features", data, arrays={"features": features})

    def run(label=data.label, fold=0, whales=data.whales):
        queried = data._replace(label=np.asarray(label, np.int32), whales=whales)
        monkeypatch.setattr(right_whale, "load", lambda folder: queried)
        monkeypatch.setattr(splits, "load", lambda folder, photos: split._replace(label=queried.label))
        inputs = {name: str(tmp_path / name) for name in ("photos", "split", "features")}
        return stage.run(
            stage.config("retrieve", inputs=inputs, fold=fold, num_neighbours=2), tmp_path / f"asked{fold}"
        )

    return run, tmp_path


def test_a_classifiers_own_answer_is_measured_beside_the_search(ask):
    run, folder = ask
    assert not [key for key in run()["metrics"] if key.startswith("class_")]
    data, wrong = photos(10), np.array([1, 2, 0])
    with np.load(folder / "features" / "predictions.npz") as file:
        features = file["features"]
    logits = np.eye(3)[wrong[np.arange(10) % 3]] * 5
    predictions.save(folder / "features", data, arrays={"features": features, "logits": logits})
    json_files.write(folder / "features" / "result.json", {"digest": "with logits", "split": None})
    metrics = run(fold=1)["metrics"]
    assert (metrics["top1"], metrics["class_top1"], metrics["class_top5"]) == (1, 0, 1)


def test_the_nearest_photos_are_named_and_measured(ask):
    run, folder = ask
    result = run()
    assert (result["queries"], result["gallery"], result["queries_of_few"]) == (3, 5, 3)
    assert (result["metrics"]["top1"], result["metrics"]["few_top1"], result["metrics"]["map"]) == (1, 1, 1)
    rows = {row["Image"]: row for row in csv.DictReader((folder / "asked0" / "neighbours.csv").open())}
    assert rows.keys() == {"0.jpg", "1.jpg", "5.jpg", "8.jpg", "9.jpg"}  # held out, and without a name
    names = photos(10).whales
    assert {(row["Image"], row["whale_1"]) for row in rows.values()} == {
        (name, names[int(name[0]) % 3]) for name in rows
    }
    assert all(float(row["cosine_1"]) >= float(row["cosine_2"]) for row in rows.values())


def test_several_features_are_searched_together_and_scores_are_written_of_photos_not_searched(ask):
    run, folder = ask
    run()  # which sets the world up
    data, names = photos(10), {"label": photos(10).label[[2, 3, 4, 6, 7]], "whales": 3}
    first = predictions.load(folder / "features", data, kind="features")
    second = np.random.default_rng(1).normal(0, 1, (10, 5))
    second[9] = np.nan  # a photo without a head
    (folder / "features2").mkdir()
    predictions.save(folder / "features2", data, arrays={"features": second.astype(np.float16)})
    json_files.write(folder / "features2" / "result.json", {"digest": "2", "split": None})
    inputs = {name: str(folder / name) for name in ("photos", "split", "features", "features2")}
    stage.run(stage.config("retrieve", inputs=inputs, num_neighbours=2), folder / "both")
    scores = predictions.load(folder / "both", data, kind="scores")
    cosines = [retrieval.unit(side) @ retrieval.unit(side[[2, 3, 4, 6, 7]]).T for side in (first, second)]
    mean = np.mean(cosines, axis=0)
    expected = np.stack([mean[:, names["label"] == whale].max(1) for whale in range(3)], axis=1)
    np.testing.assert_allclose(scores[[0, 1, 5]], expected[[0, 1, 5]], atol=2e-3)
    # A photo without a name is compared with those held out as well, one of each whale.
    held_out = np.mean([retrieval.unit(side[8:9]) @ retrieval.unit(side[[0, 1, 5]]).T for side in (first, second)], 0)
    np.testing.assert_allclose(scores[8], np.maximum(expected[8], held_out[0]), atol=2e-3)
    assert np.isnan(scores[[2, 3, 4, 6, 7, 9]]).all()
    whitened = stage.config("retrieve", inputs=inputs, num_neighbours=2, transform="whiten", whale_score="joint")
    assert stage.run(whitened, folder / "whitened")["metrics"]["joint_top1"] >= 1 / 3
    transforms, vectors = search.reopen(folder / "whitened", whitened, photos=data)
    usable = np.flatnonzero(np.isfinite(vectors).all(1))
    assert usable.tolist() == [*range(9)]  # whose features made them, as kept here, make them again
    np.testing.assert_allclose(transforms([first[usable], second[usable]]), vectors[usable], atol=2e-3)
    with pytest.raises(errors.InputError, match="unknown transform 'white': did you mean whiten"):
        stage.run(stage.config("retrieve", inputs=inputs, transform="white"), folder / "wrong")
    none = {**inputs, "features": "", "features2": ""}
    with pytest.raises(errors.InputError, match=r"inputs.features is empty"):
        stage.run(stage.config("retrieve", inputs=none), folder / "none")


def test_unknown_whales_are_told_from_known_whales(ask, monkeypatch):
    run, folder = ask
    data = photos(10)
    features = np.eye(4)[[0, 1, 2, 0, 1, 2, 0, 1, 3, 3]] + np.random.default_rng(0).normal(0, 0.05, (10, 4))
    predictions.save(folder / "features", data, arrays={"features": features})
    result = run(label=[0, 1, 2, 0, 1, 2, 0, 1, 3, 3], whales=("a", "b", "c", "d"), fold=0)
    assert result["of_unknown"] == 2
    assert result["metrics"]["unknown_auroc"] == result["metrics"]["prototype_unknown_auroc"] == 1


def test_a_query_whose_whale_the_gallery_lacks_is_refused(ask):
    run, _ = ask
    with pytest.raises(errors.InputError, match=r"1 photos, such as 5.jpg of w_c, ask for whales of which the gallery"):
        run(label=[0, 1, 0, 0, 1, 2, 0, 1, -1, -1])
    with pytest.raises(errors.InputError, match=r"config.fold = 7: the split has folds 0 to 1"):
        run(fold=7)


def test_neighbours_and_a_classifier_make_one_answer(ask, monkeypatch):
    run, folder = ask
    run()  # which sets the world up
    data = photos(10)
    unsure = np.full((10, 3), 1 / 3)
    unsure[1] = [0.1, 0.8, 0.1]
    (folder / "stack").mkdir()
    np.savez(folder / "stack" / "probabilities.npz", network=unsure)
    json_files.write(folder / "stack" / "result.json", {"digest": "s", "split": "h"})
    inputs = {name: str(folder / name) for name in ("photos", "split", "features")}
    config = stage.config("blend", inputs={**inputs, "probabilities": str(folder / "stack")}, num_subfolds=3)
    result = stage.run(config, folder / "blend")["metrics"]
    assert result["network"]["top1"] == pytest.approx(1 / 3)
    assert result["blend"]["top1"] == result["neighbours"]["top1"] == 1
    assert result["blend"]["log_loss"] < result["network"]["log_loss"]
    assert result["neighbours"]["few_top1"] == 1  # of the whales of two and three photos
    with np.load(folder / "blend" / "probabilities.npz") as written:
        answered = np.isfinite(written["blend"]).all(1)
        np.testing.assert_allclose(written["blend"][answered].sum(1), 1, rtol=1e-5)
    assert data.name[answered].tolist() == ["0.jpg", "1.jpg", "5.jpg", "8.jpg", "9.jpg"]  # not what was learned from
    config.source = "stack"
    with pytest.raises(errors.InputError, match="unknown source of probabilities 'stack'"):
        stage.run(config, folder / "other")


def test_no_photo_held_out_has_a_say_in_its_own_blend(ask, monkeypatch):
    """A fit on all three photos held out is told from one on two by the sharpness that it returns here."""
    run, folder = ask
    run()  # which sets the world up
    (folder / "stack").mkdir()
    np.savez(folder / "stack" / "probabilities.npz", network=np.full((10, 3), 1 / 3))
    json_files.write(folder / "stack" / "result.json", {"digest": "s", "split": "h"})
    fit = lambda inputs, label, prior: calibration.Blend(power=1.0, sharpness=float(len(label)))  # noqa: E731
    monkeypatch.setattr(calibration, "fit_blend", fit)
    inputs = {name: str(folder / name) for name in ("photos", "split", "features")}
    config = stage.config("blend", inputs={**inputs, "probabilities": str(folder / "stack")}, num_subfolds=3)
    stage.run(config, folder / "blend")
    features = predictions.load(folder / "features", photos(10), kind="features")
    gallery = [2, 3, 4, 6, 7]
    score = retrieval.by_photo(features[gallery], label=photos(10).label[gallery], whales=3)(features)
    with np.load(folder / "blend" / "probabilities.npz") as written:
        for rows, fitted_on in (([0, 1, 5], 2), ([8, 9], 3)):  # held out; without a name
            for source in ("neighbours", "blend"):
                expected = special.softmax(fitted_on * score[rows], axis=1)
                np.testing.assert_allclose(written[source][rows], expected, rtol=1e-4)


def test_both_sides_of_a_head_are_whitened_as_whales_of_their_own(ask):
    """What tells a photo from its mirror image tells nothing of whales; either side is whitened in the same way."""
    run, folder = ask
    run()
    data = photos(10)
    sides = np.random.default_rng(3).normal(0, 1, (2, 10, 4)) + 3 * np.eye(4)[np.maximum(data.label, 0)]
    predictions.save(folder / "features", data, arrays={"features": np.concatenate(sides, axis=1)})
    json_files.write(folder / "features" / "result.json", {"digest": "sides", "split": None})
    inputs = {name: str(folder / name) for name in ("photos", "split", "features")}
    config = stage.config("retrieve", inputs=inputs, num_neighbours=2, sides=2, transform="whiten", whale_score="joint")
    stage.run(config, folder / "sides")
    rows = np.array([2, 3, 4, 6, 7])
    label = data.label[rows]
    fitted = whitening.whiten(np.concatenate(sides[:, rows]), np.concatenate([label, label + 3]))
    vectors = np.concatenate([fitted(side) for side in sides], axis=1)
    expected = retrieval.by_photo_and_prototype(vectors[rows], label=label, whales=3)(vectors[[0, 1, 5]])
    scores = predictions.load(folder / "sides", data, kind="scores")
    np.testing.assert_allclose(scores[[0, 1, 5]], expected, atol=1e-4)
