"""Test-time augmentation: warped there, mapped back, averaged."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from whale_jax import geometry
from whale_jax.data import loader
from whale_jax.evaluation import tta
from whale_jax.runtime import errors
from whale_jax.tasks.keypoints import keypoints
from whale_jax.train.parallel import parallel

VIEW, SIZE, COUNT = (60, 90), (40, 60), 7
WARPS = {"rotate": (0, 90, 180, 270), "scale": (0.9, 1.0), "flip_ud": (0, 1)}


def test_a_grid_has_every_combination_about_the_middle():
    grid = tta.grid(WARPS, VIEW, size=SIZE)
    assert grid.shape == (16, 3, 3)
    assert len(np.unique(grid.round(4), axis=0)) == 16
    middles = geometry.move_points(grid, geometry.middle(VIEW)[None])
    assert_allclose(middles, np.tile(geometry.middle(SIZE), (16, 1, 1)), atol=1e-4)
    area = np.linalg.det(grid) / np.linalg.det(geometry.resize(VIEW, SIZE))
    assert_allclose(sorted(area), [-1] * 4 + [-0.81] * 4 + [0.81] * 4 + [1] * 4, rtol=1e-4)


def test_warps_do_what_their_names_say():
    single = {"shift_x": (0.25,), "shift_y": (-0.1,), "shear": (30,)}
    points = np.array([[29.5, 19.5], [29.5, 29.5]])
    moved = {name: geometry.move_points(tta.grid({name: v}, SIZE, size=SIZE)[0], points) for name, v in single.items()}
    assert_allclose(moved["shift_x"], [[44.5, 19.5], [44.5, 29.5]], atol=1e-4)  # a quarter of 60 pixels
    assert_allclose(moved["shift_y"], [[29.5, 15.5], [29.5, 25.5]], atol=1e-4)
    assert_allclose(moved["shear"], [[29.5, 19.5], [29.5 + 10 * np.tan(np.pi / 6), 29.5]], atol=1e-4)


def test_an_empty_grid_is_the_plain_resize():
    assert_allclose(tta.grid({}, VIEW, size=SIZE), geometry.resize(VIEW, SIZE)[None], atol=1e-6)


def test_an_unknown_warp_or_average_has_a_close_match():
    with pytest.raises(errors.InputError, match="did you mean rotate"):
        tta.grid({"rotation": (0, 90)}, VIEW, size=SIZE)
    with pytest.raises(errors.InputError, match="did you mean median"):
        tta.predict(None, None, batches=[], matrices=[], put=None, gather=None, average="medium")


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


def predict(evaluate, warps, *, batch=4, average="mean"):
    devices = parallel("jit", 2)
    return tta.predict(
        devices.evaluate(evaluate),
        {},
        batches=loader.evaluation(Lights(), np.arange(COUNT), batch=batch),
        matrices=tta.grid(warps, VIEW, size=SIZE),
        put=devices.put_batch,
        gather=devices.gather,
        average=average,
    )["points"]


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
    def evaluate(state, batch):  # right but for the first matrix of three
        wild = jnp.isclose(batch["warp"][:, 0, 0], 2.0)[:, None, None]
        return {}, {"points": batch["points"] + 300 * wild}

    devices = parallel("jit", 1)
    options = {
        "matrices": np.asarray(geometry.scaling(np.array([2.0, 1.0, 1.5]), 1)),
        "put": devices.put_batch,
        "gather": devices.gather,
    }
    rows = Lights()
    averaged = {
        average: tta.predict(
            evaluate, {}, batches=loader.evaluation(rows, np.arange(COUNT), batch=4), average=average, **options
        )["points"]
        for average in ("mean", "median")
    }
    assert_array_equal(averaged["median"], rows.points)
    assert_allclose(averaged["mean"], rows.points + 100, rtol=1e-5)


def test_no_photo_at_all_is_an_input_error():
    with pytest.raises(errors.InputError, match="no photo"):
        tta.predict(None, None, batches=[], matrices=np.eye(3)[None], put=None, gather=None)
