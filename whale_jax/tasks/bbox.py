"""Regression of the box around the head (post, section 4.2.1)."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from whale_jax import geometry, losses
from whale_jax.evaluation import metrics
from whale_jax.runtime import errors, registry
from whale_jax.tasks import Batch, Outputs, Task, inputs
from whale_jax.tasks import bins as binned

OVERLAPS = {"iou": geometry.iou, "giou": geometry.giou}


def bbox(
    *,
    size,
    augmentation: str = "",
    move: str = "corners",
    objective: str = "squared",
    bins: int = 0,
    sigma_bins: float = 1.0,
) -> Task:
    """The task of finding the head's box: x, y, width and height in 0..1, IoU as metric.

    Args:
        size: (height, width) of the network's input, in pixels.
        augmentation: specification for `inputs.parse`.
        move: how the true box follows the augmentation: "corners" (the box around its moved corners) or "mask"
            (the extent of its warped mask, as the post did).
        objective: "squared" error, as the post, or 1 - "iou" or "giou" of the boxes.
        bins: 0 for the objective; else softmax over that many bins for each coordinate of two corners.
        sigma_bins: standard deviation of the soft target, in bins.
    """
    if move not in ("corners", "mask"):
        raise errors.unknown("way to move a box", move, ("corners", "mask"))
    registry.lookup("objective", {"squared": None, **OVERLAPS}, objective)
    readout = corner_bins(bins, sigma_bins) if bins else coordinates(objective)
    parsed = inputs.parse(augmentation)
    extent = jnp.array([size[1], size[0], size[1], size[0]], jnp.float32)
    shift = jnp.array([0.5, 0.5, 0, 0])  # from pixel centres at integers to a picture that begins at 0

    def prepare(key: jax.Array, batch: Batch, train: bool) -> Batch:
        source = batch["image"].shape[1:3]
        batch = inputs.prepare(key, batch, train, augmentation=parsed, size=size)
        known = jnp.isfinite(batch["box"]).all(-1)
        box = jnp.where(known[:, None], batch["box"], 1)
        if move == "mask":
            stored = geometry.move_box(batch["view"], box)
            onward = geometry.compose(geometry.invert(batch["view"]), batch["matrix"])
            moved = jax.vmap(lambda m, b: geometry.move_box_by_mask(m, b, source, size))(onward, stored)
        else:
            moved = geometry.move_box(batch["matrix"], box)
        known = batch["mask"] * known
        # A mask that was moved out of the picture has no extent: it cannot be learned, but an evaluation counts it.
        inside = (moved[:, 2:] > 0).all(-1)
        return {**batch, "target": (moved + shift) / extent, "weight": known * inside, "known": known}

    def loss(outputs: Outputs, batch: Batch) -> jax.Array:
        return readout.loss(outputs[0], batch["target"])

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        box = readout.box(outputs[0]) * extent - shift
        box = box.at[:, 2:].set(jnp.maximum(box[:, 2:], 1))
        return {"box": geometry.move_box(geometry.invert(batch["matrix"]), box)}

    def measure(outputs: Outputs, batch: Batch) -> dict[str, metrics.Metric]:
        overlap = geometry.iou(predict(outputs, batch)["box"], batch["box"])
        return {
            "iou": metrics.masked(overlap, batch["known"]),
            "iou>0.5": metrics.masked((overlap > 0.5).astype(jnp.float32), batch["known"]),
        }

    return Task(readout.outputs, prepare, loss, measure, predict, best="iou", maximise=True)


class Readout(NamedTuple):
    """How a box is read from what the network says.

    Attributes:
        outputs: how many numbers it says.
        loss: (batch, outputs) and true boxes (batch, 4), in 0..1, -> (batch,).
        box: (batch, outputs) -> (batch, 4).
    """

    outputs: int
    loss: Callable[[jax.Array, jax.Array], jax.Array]
    box: Callable[[jax.Array], jax.Array]


def coordinates(objective: str) -> Readout:
    """The box itself; where overlaps are compared, centre and sides within the picture, as DETR has them.

    Without that bound the sides grow for ever: a box around everything has no gradient left (arXiv:2005.12872).
    """
    if objective == "squared":
        return Readout(4, losses.squared_error, lambda y: y)

    def box(y: jax.Array) -> jax.Array:
        centre, sides = jnp.split(jax.nn.sigmoid(y), 2, axis=-1)
        return jnp.concatenate([centre - sides / 2, sides], axis=-1)

    return Readout(4, lambda y, true: 1 - OVERLAPS[objective](box(y), true), box)


def corner_bins(bins: int, sigma_bins: float) -> Readout:
    """Softmax over bins for each coordinate of two corners."""

    def loss(y: jax.Array, true: jax.Array) -> jax.Array:
        low, extent = jnp.split(true, 2, axis=-1)
        corners = jnp.clip(jnp.stack([low, low + extent], axis=1), 0, 1)
        return binned.loss(y.reshape(-1, 2, 2, bins), corners, width=sigma_bins)

    def box(y: jax.Array) -> jax.Array:
        """The box around both corners: an unsure network may put them the wrong way round."""
        return geometry.bounding_box(geometry.soft_argmax(y.reshape(-1, 2, 2, bins), reach=3 * sigma_bins))

    return Readout(4 * bins, loss, box)
