"""Local descriptors of views: those of scikit-image, a row a photo, in one piece or in shards."""

import numpy as np
import pytest
from PIL import Image
from skimage.feature import hog

from tests.programs.test_stages import photos
from whale_jax.data import images, predictions, right_whale
from whale_jax.data.shards import Shard
from whale_jax.programs import describe
from whale_jax.runtime import errors
from whale_jax.workflow import stage


@pytest.fixture
def views(monkeypatch):
    """Six photos with random pictures of 40 x 64 pixels; the third has no head."""
    matrices = np.tile(np.eye(3, dtype=np.float32), (6, 1, 1))
    matrices[2] = np.nan
    view = images.View(np.random.default_rng(0).integers(0, 256, (6, 40, 64, 3), np.uint8), matrices)
    monkeypatch.setattr(right_whale, "load", lambda folder: photos())
    monkeypatch.setattr(images, "load", lambda folder: view)
    return view


def config(**changes):
    return stage.config("describe", **{"size": (32, 64), **changes})


def test_features_are_the_hog_of_grey_pictures_and_nan_without_a_head(views, tmp_path):
    result = describe.run(config(), tmp_path)
    features = predictions.load(tmp_path, photos(), kind="features")
    assert (result["photos"], result["features"], features.shape) == (5, 3 * 7 * 36, (6, 3 * 7 * 36))
    picture = np.asarray(Image.fromarray(views.images[4]).convert("L").resize((64, 32), Image.Resampling.BILINEAR))
    expected = hog(picture, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2))
    np.testing.assert_allclose(features[4], expected, atol=5e-4)
    assert np.isnan(features[2]).all()
    assert np.isfinite(np.delete(features, 2, axis=0)).all()


def test_shards_make_the_features_of_one_process(views, tmp_path):
    for folder in ("one", "shards"):
        (tmp_path / folder).mkdir()
    describe.run(config(), tmp_path / "one")
    for index in range(3):
        piece = Shard(index, 3)
        piece.folder(tmp_path / "shards").mkdir(parents=True)
        describe.shard(config(), tmp_path / "shards", piece)
    describe.run(config(), tmp_path / "shards")
    pair = [predictions.load(tmp_path / folder, photos(), kind="features") for folder in ("one", "shards")]
    np.testing.assert_array_equal(*pair)
    assert not (tmp_path / "shards" / "shards").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"descriptor": "hug"}, "unknown descriptor 'hug': did you mean hog"),
        ({"size": (8, 64)}, "less than the 16 pixels of one block"),
        ({"size": (64, 64)}, "has pictures of 40 x 64 pixels, fewer than config.size = 64 x 64: cut a larger view"),
    ],
)
def test_what_cannot_be_described_is_refused(views, tmp_path, changes, message):
    def attempt():
        stage.check(config(**changes))
        describe.run(config(**changes), tmp_path)

    with pytest.raises(errors.InputError, match=message):
        attempt()
    assert not list(tmp_path.iterdir())
