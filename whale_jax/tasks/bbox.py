"""Regression of the box around the head (post, section 4.2.1)."""

import jax
import jax.numpy as jnp

from whale_jax import augment, errors, geometry, losses, metrics, registry
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
    bell: float = 1.0,
) -> Task:
    """The task of finding the head's box: x, y, width and height in 0..1, IoU as metric.

    Args:
        size: (height, width) of the network's input, in pixels.
        augmentation: specification for `augment.parse`.
        move: how the true box follows the augmentation: "corners" (the box around its moved corners) or "mask"
            (the extent of its warped mask, as the post did).
        objective: "squared" error, as the post, or 1 - "iou" or "giou" of the boxes.
        bins: 0 for the objective; else softmax over that many bins for each coordinate of two corners.
        bell: standard deviation of the soft target, in bins.
    """
    if move not in ("corners", "mask"):
        raise errors.unknown("way to move a box", move, ("corners", "mask"))
    registry.lookup("objective", {"squared": None, **OVERLAPS}, objective)
    parsed = augment.parse(augmentation)
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
        seen = (moved[:, 2:] > 0).all(-1)  # a mask that was moved out of the picture has no extent
        return {**batch, "target": (moved + shift) / extent, "weight": batch["mask"] * known * seen}

    def answer(y: jax.Array) -> jax.Array:
        """What the network says without bins; where boxes are compared, one always has width and height."""
        return y if objective == "squared" else jnp.concatenate([y[:, :2], jax.nn.softplus(y[:, 2:])], axis=-1)

    def loss(outputs: Outputs, batch: Batch) -> jax.Array:
        if not bins and objective == "squared":
            return losses.squared_error(outputs[0], batch["target"])
        if not bins:
            return 1 - OVERLAPS[objective](answer(outputs[0]), batch["target"])
        low, extent = jnp.split(batch["target"], 2, axis=-1)
        corners = jnp.clip(jnp.stack([low, low + extent], axis=1), 0, 1)
        return binned.loss(outputs[0].reshape(-1, 2, 2, bins), corners, width=bell)

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        if bins:
            # The box around both corners: an unsure network may put them the wrong way round.
            box = geometry.bounding_box(binned.decode(outputs[0].reshape(-1, 2, 2, bins), reach=3 * bell))
        else:
            box = answer(outputs[0])
        box = box * extent - shift
        box = box.at[:, 2:].set(jnp.maximum(box[:, 2:], 1))
        return {"box": geometry.move_box(geometry.invert(batch["matrix"]), box)}

    def measure(outputs: Outputs, batch: Batch) -> dict[str, metrics.Metric]:
        overlap = geometry.iou(predict(outputs, batch)["box"], batch["box"])
        return {
            "iou": metrics.masked(overlap, batch["weight"]),
            "iou>0.5": metrics.masked((overlap > 0.5).astype(jnp.float32), batch["weight"]),
        }

    return Task(4 * max(bins, 1), prepare, loss, measure, predict, best="iou", maximise=True)
