"""Test-time augmentation: warped there, mapped back, averaged."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from whale_jax import geometry
from whale_jax.experiment import prediction
from whale_jax.runtime import errors
from whale_jax.tasks.keypoints import keypoints
from whale_jax.train.parallel import parallel

VIEW, SIZE, COUNT = (60, 90), (40, 60), 7
WARPS = {"rotate": (0, 90, 180, 270), "scale": (0.9, 1.0), "flip_ud": (0, 1)}


class Lights:
    """Something with the loader's interface: photos with a red light and a green one, seen through a view."""

    def __init__(self):
        rng = np.random.default_rng(0)
        view = geometry.compose(geometry.translation(-200, -100), geometry.rotation(0.4), geometry.scaling(0.1, 0.1))
        positions = geometry.middle(VIEW) + rng.uniform(-12, 12, (COUNT, 2, 2))
        y, x = np.mgrid[: VIEW[0], : VIEW[1]]
        squares = np.square(np.stack([x, y], -1)[None, :, :, None] - positions[:, None, None]).sum(-1)
        image = np.concatenate([255 * np.exp(-squares / 18), np.zeros((COUNT, *VIEW, 1))], axis=-1)
        self.points = np.asarray(geometry.move_points(geometry.invert(view), positions))
        self.columns = {
            "image": image.round().astype(np.uint8),
            "view": np.tile(view, (COUNT, 1, 1)),
            "index": np.arange(COUNT),
            "points": self.points,
        }

    def __getitem__(self, rows):
        return {name: value[rows] for name, value in self.columns.items()}


@pytest.fixture(scope="module")
def oracle():
    """(state, batch) -> (metrics, points in photo pixels), found as the brightest places of red and of green."""
    task = keypoints(size=SIZE)

    def evaluate(state, batch):
        batch = task.prepare(jax.random.key(0), batch, False)
        light = batch["image"][..., :2]
        light = jnp.maximum(light - light.max((1, 2), keepdims=True) / 2, 0)
        light /= light.sum((1, 2), keepdims=True)
        x = jnp.einsum("bhwp,w->bp", light, (jnp.arange(SIZE[1]) + 0.5) / SIZE[1])
        y = jnp.einsum("bhwp,h->bp", light, (jnp.arange(SIZE[0]) + 0.5) / SIZE[0])
        return {}, task.predict((jnp.stack([x, y], -1).reshape(-1, 4), {}), batch)

    return evaluate


def predict(evaluate, warps, *, data=None, batch=4, average="mean"):
    devices = parallel("jit", 2)
    network = SimpleNamespace(evaluate=devices.evaluate(evaluate), state={}, parallel=devices, size=SIZE)
    photos = SimpleNamespace(examples=data or Lights(), stored_size=VIEW)
    augmentation = prediction.TTA(warps, average)
    return prediction.predict_augmented(network, photos, rows=np.arange(COUNT), batch=batch, augmentation=augmentation)[
        "points"
    ]


@pytest.mark.parametrize("average", ["mean", "median"])
def test_answers_mapped_back_agree_with_the_single_one(oracle, average):
    single, averaged = predict(oracle, {}), predict(oracle, WARPS, average=average)
    assert single.shape == averaged.shape == (COUNT, 2, 2)
    assert_allclose(single, Lights().points, atol=2)  # a pixel of the network is 15 of the photo
    assert_allclose(averaged, single, atol=2)


def test_padding_is_left_out_and_batches_do_not_matter(oracle):
    warps = {"rotate": (0, 90)}
    assert_allclose(predict(oracle, warps, batch=2), predict(oracle, warps, batch=8), atol=1e-2)


def test_a_median_shrugs_at_a_wild_answer_and_a_mean_does_not():
    def evaluate(state, batch):  # right but for the first scale of three
        wild = jnp.isclose(batch["warp"][:, 0, 0], 2 * SIZE[1] / VIEW[1])[:, None, None]
        return {}, {"points": batch["points"] + 300 * wild}

    rows, warps = Lights(), {"scale": (2.0, 1.0, 1.5)}
    median, mean = (predict(evaluate, warps, data=rows, average=average) for average in ("median", "mean"))
    assert_array_equal(median, rows.points.astype(np.float32))
    assert_allclose(mean, rows.points + 100, rtol=1e-5)


def test_no_photo_at_all_is_an_input_error():
    network = SimpleNamespace(size=SIZE, parallel=None)
    data = SimpleNamespace(examples=Lights(), stored_size=VIEW)
    augmentation = prediction.TTA()
    with pytest.raises(errors.InputError, match="no photo"):
        prediction.predict_augmented(network, data, rows=np.arange(0), batch=4, augmentation=augmentation)


def test_an_unknown_average_has_a_close_match():
    with pytest.raises(errors.InputError, match="did you mean median"):
        predict(lambda state, batch: None, {}, average="medium")
