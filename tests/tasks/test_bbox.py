"""Boxes: an oracle's answer comes back in pixels of the photo, whichever way the box was moved and learned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.tasks.batches import COUNT, SIZE, SQUASHED, STORED, TURNED, UPRIGHT, answer, make_batch, prepare
from whale_jax import geometry, losses
from whale_jax.runtime import errors
from whale_jax.tasks.bbox import bbox
from whale_jax.tasks.keypoints import keypoints


def test_a_box_whose_mask_was_moved_out_of_the_picture_is_not_learned():
    batch = make_batch(TURNED)
    batch["box"][0, 0] = 5000
    assert_array_equal(prepare(bbox(size=SIZE, move="mask"), batch)["weight"], [0, 1, 1, 1, 1, 1])


@pytest.mark.parametrize("move", ["corners", "mask"])
@pytest.mark.parametrize("augmentation", ["", UPRIGHT])
def test_an_oracles_box_comes_back_in_photo_pixels(augmentation, move):
    task, batch = bbox(size=SIZE, augmentation=augmentation, move=move), make_batch(SQUASHED)
    ready = prepare(task, batch)
    outputs = (ready["target"], {})
    exact = move == "corners"
    pixel = np.array([10, 5, 20, 10]) / (SIZE[0] / STORED[0] * 0.8)  # of the network, at most, in the photo
    assert_allclose(task.predict(outputs, ready)["box"] / pixel, batch["box"] / pixel, atol=0.01 if exact else 1.3)
    metrics = task.metrics(outputs, ready)
    assert metrics["iou"][0] / COUNT > (0.99 if exact else 0.7)
    assert_array_equal(metrics["iou>0.5"], (COUNT, COUNT))


def test_a_box_by_bins_is_learned_by_its_corners_whichever_way_round_they_are_answered():
    task, batch = bbox(size=SIZE, bins=64), make_batch(SQUASHED)
    ready = prepare(task, batch)
    low, side = jnp.split(ready["target"], 2, axis=-1)
    corners = jnp.stack([low, low + side], axis=1)
    outputs = answer(corners, bins=64)
    assert outputs[0].shape == (COUNT, task.outputs)
    for order in (outputs, answer(corners[:, ::-1], bins=64)):
        assert_allclose(task.predict(order, ready)["box"], batch["box"], atol=2.0)  # a bin is 4.7 to 9.4 photo pixels
    assert (task.loss(outputs, ready) < task.loss(answer(corners + 0.05, bins=64), ready)).all()


@pytest.mark.parametrize("loss", ["iou", "giou"])
def test_a_box_can_be_learned_by_its_overlap(loss):
    task, batch = bbox(size=SIZE, loss=loss), make_batch(SQUASHED)
    ready = prepare(task, batch)
    low, side = jnp.split(ready["target"], 2, axis=-1)
    y = jax.scipy.special.logit(jnp.concatenate([low + side / 2, side], axis=-1))
    assert_allclose(task.loss((y, {}), ready), 0, atol=1e-4)
    assert_allclose(task.predict((y, {}), ready)["box"], batch["box"], atol=0.1)
    gradient = jax.grad(lambda y: task.loss((y, {}), ready).sum())(y + jnp.array([5.0, 0, -3.0, 0]))
    if loss == "iou":
        assert_array_equal(gradient, 0)  # nothing overlaps, so nothing says where to go
    else:
        assert (gradient[:, 0] > 0).all()
    largest = task.predict((y + 99, {}), ready)["box"]  # a training that runs away stays within the picture's size
    assert_allclose(largest[:, 2:], np.tile([600.0, 200.0], (COUNT, 1)), rtol=1e-3)


def test_a_box_in_a_turned_view_is_the_box_around_it():
    task, batch = bbox(size=SIZE, augmentation="rotate(180)"), make_batch(TURNED)
    ready = prepare(task, batch)
    box = np.asarray(task.predict((ready["target"], {}), ready)["box"])
    inner, outer = geometry.corners(batch["box"]), geometry.corners(box)
    assert (outer[:, 0] <= inner[:, 0] + 0.1).all()
    assert (outer[:, 2] >= inner[:, 2] - 0.1).all()


def test_a_box_moved_by_its_mask_is_cut_at_the_rim_and_by_its_corners_is_not():
    batch = make_batch(SQUASHED)
    batch["box"][0] = geometry.move_box(geometry.invert(SQUASHED), np.array([50, 10, 30, 12], np.float32))
    corners, mask = (prepare(bbox(size=SIZE, move=move), batch)["target"] for move in ("corners", "mask"))
    assert_allclose(corners[0, 0] + corners[0, 2], 80.5 / 60, atol=1e-3)
    assert_allclose(mask[0, 0] + mask[0, 2], 1 - 0.5 / 48, atol=1e-3)
    assert_allclose(mask[1:], corners[1:], atol=2 / min(SIZE))  # whole pixels, of the view and of the input


def test_an_unknown_way_to_move_a_box_has_a_close_match():
    with pytest.raises(errors.InputError, match="did you mean giou"):
        bbox(size=SIZE, loss="gious")
    with pytest.raises(errors.InputError, match="did you mean mask"):
        bbox(size=SIZE, move="masks")


@pytest.mark.parametrize("task", [bbox, keypoints])
def test_a_loss_beside_bins_is_refused_before_a_training(task, monkeypatch):
    """It would never be asked for. A network that has learned so can be opened."""
    monkeypatch.setitem(losses.LOSSES, "far", lambda prediction, target: abs(prediction - target).max(-1))
    plan = {"batch": 8, "images_per_class": 0, "weights": ""}
    for loss, bins in (("far", 0), ("squared_error", 8)):
        task(size=SIZE, loss=loss, bins=bins).check_setup({"name": "vgg"}, **plan)
    learned = task(size=SIZE, loss="far", bins=8)
    with pytest.raises(errors.InputError, match=r"task.loss = 'far' counts with task.bins = 0 alone"):
        learned.check_setup({"name": "vgg"}, **plan)


@pytest.mark.parametrize("move", ["corners", "mask"])
def test_a_box_outside_the_picture_counts_as_one_that_was_not_found(move):
    task, batch = bbox(size=SIZE, move=move), make_batch(SQUASHED)
    batch["box"][0, 0] = 5000
    ready = prepare(task, batch, False)
    middle = jnp.full((COUNT, 4), 0.25)
    outputs = jnp.where(jnp.arange(COUNT)[:, None] == 0, middle, ready["target"]), {}
    measured = task.metrics(outputs, ready)
    assert measured["iou"][1] == measured["iou>0.5"][1] == COUNT
    assert measured["iou>0.5"][0] == COUNT - 1
