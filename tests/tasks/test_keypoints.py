"""Points: an oracle's answer comes back in pixels of the photo."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.tasks.batches import COUNT, SIZE, STORED, TURNED, TURNING, answer, make_batch, prepare
from whale_jax import geometry
from whale_jax.tasks.keypoints import keypoints


@pytest.mark.parametrize("augmentation", ["", TURNING])
@pytest.mark.parametrize("bins", [0, 64])
def test_an_oracles_points_come_back_in_photo_pixels(augmentation, bins):
    task, batch = keypoints(size=SIZE, augmentation=augmentation, bins=bins), make_batch(TURNED)
    ready = prepare(task, batch)
    outputs = answer(ready["target"], bins)
    assert outputs[0].shape == (COUNT, task.outputs)
    assert_allclose(
        task.predict(outputs, ready)["points"], batch["points"], atol=0.5
    )  # a network pixel is 5 to 13 here
    metrics = task.metrics(outputs, ready)
    assert metrics["point_error"][0] / COUNT < 0.01
    assert_array_equal(metrics["pck@0.05"], (COUNT, COUNT))


def test_points_are_where_the_picture_shows_them():
    """A light at the bonnet, red, and one at the blowhead, green, stay under the moved points."""
    batch = make_batch(TURNED)
    x, y = np.meshgrid(np.arange(STORED[1]), np.arange(STORED[0]))
    for i, pair in enumerate(geometry.move_points(TURNED, batch["points"])):
        lights = [255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8) for px, py in pair]
        batch["image"][i] = np.stack([*lights, 0 * x], axis=-1)
    ready = prepare(keypoints(size=SIZE, augmentation=TURNING), batch)
    columns, rows = (np.arange(SIZE[1]) + 0.5) / SIZE[1], (np.arange(SIZE[0]) + 0.5) / SIZE[0]
    for point in range(2):
        light = np.asarray(ready["image"][..., point])
        light = np.maximum(light - light.max((1, 2), keepdims=True) / 2, 0)
        light /= light.sum((1, 2), keepdims=True)
        light_place = np.stack([light.sum(1) @ columns, light.sum(2) @ rows], axis=-1)
        assert_allclose(light_place, ready["target"][:, point], atol=0.01)


def test_bins_answer_at_their_peak_however_unsure_the_rest_is():
    task = keypoints(size=SIZE, bins=64)
    ready = prepare(task, make_batch(TURNED))
    sure, _ = answer(ready["target"], 64)
    doubtful = jnp.maximum(sure, -6.0)  # half a dozen nats for everywhere else
    assert_allclose(task.predict((doubtful, {}), ready)["points"], ready["points"], atol=1.5)


def test_a_point_moved_out_of_the_picture_is_not_learned_but_counts_as_an_error():
    task = keypoints(size=SIZE)
    batch = make_batch(TURNED)
    batch["points"][0, 0] = (5000, 5000)
    ready = prepare(task, batch)
    assert_array_equal(ready["weight"], [0, 1, 1, 1, 1, 1])
    assert task.metrics((0 * answer(ready["target"])[0], {}), ready)["point_error"][1] == COUNT
