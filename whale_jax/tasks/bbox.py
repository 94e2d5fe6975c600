"""Regression of the box around the head (post, section 4.2.1)."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from whale_jax import geometry, losses
from whale_jax.augment import Augmentation
from whale_jax.evaluation import metrics as measures
from whale_jax.runtime import errors, registry
from whale_jax.tasks import inputs, setup
from whale_jax.tasks.task import Batch, Metric, Outputs, Photos, Predictions, Task

OVERLAPS = {"iou": geometry.iou, "giou": geometry.giou}
METRICS = ("iou", "iou>0.5")
SHIFT = (0.5, 0.5, 0, 0)  # from pixel centres at integers to a picture that begins at 0


def bbox(
    *,
    size,
    loss: str = setup.SQUARED,
    metrics: Sequence[str] = METRICS,
    augmentation: str = "",
    move: str = "corners",
    bins: int = 0,
    sigma_bins: float = 1.0,
    normalise: inputs.Normalise = inputs.picture,
) -> Task:
    """The task of finding the head's box: x, y, width and height in 0..1, IoU as metric.

    Args:
        size: (height, width) of the network's input, in pixels.
        loss: one of losses.LOSSES that reads prediction and target, "squared_error" in the post; or 1 - "iou" or
            "giou" of the boxes.
        metrics: some of evaluation.metrics.METRICS that read boxes.
        augmentation: specification for `inputs.parse`.
        move: how the true box follows the augmentation: "corners" (the box around its moved corners) or "mask"
            (the extent of its warped mask, as the post did).
        bins: 0 for that loss; else softmax over that many bins for each coordinate of two corners.
        sigma_bins: standard deviation of the soft target, in bins.
        normalise: one of inputs.NORMALISATIONS, which the model chooses.
    """
    if move not in ("corners", "mask"):
        raise errors.unknown("way to move a box", move, ("corners", "mask"))
    registry.lookup("loss", losses.LOSSES | OVERLAPS, loss)
    coordinates = overlap(loss) if loss in OVERLAPS else regression(loss)
    readout = corner_bins(bins, sigma_bins) if bins else coordinates
    functions = measures.select(metrics, annotation="box", best="iou")
    extent = extent_of(size)

    def loss_of(outputs: Outputs, batch: Batch) -> jax.Array:
        return readout.loss(outputs[0], batch["target"])

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        box = readout.box(outputs[0]) * extent - jnp.array(SHIFT)
        box = box.at[:, 2:].set(jnp.maximum(box[:, 2:], 1))
        return {"box": geometry.move_box(geometry.invert(batch["matrix"]), box)}

    def measure(outputs: Outputs, batch: Batch) -> dict[str, Metric]:
        box = predict(outputs, batch)["box"]
        return measures.measure(functions, box, truth=batch["box"], mask=batch["annotated"])

    return Task(
        outputs=readout.outputs,
        prepare=partial(
            prepare, **inputs.options(augmentation, size=size, normalise=normalise), by_mask=move == "mask"
        ),
        loss=loss_of,
        metrics=measure,
        predict=predict,
        best="iou",
        maximise=True,
        annotation="box",
        score=partial(score, names=metrics),
        check_setup=partial(setup.check, loss=loss, bins=bins),
    )


def prepare(
    key: jax.Array,
    batch: Batch,
    train: bool,
    *,
    augmentation: Augmentation,
    size: geometry.Size,
    normalise: inputs.Normalise,
    by_mask: bool,
) -> Batch:
    """`inputs.prepare`, with the box in 0..1 of the network's input as target (B, 4)."""
    source = batch["image"].shape[1:3]
    batch = inputs.prepare(key, batch, train, augmentation=augmentation, size=size, normalise=normalise)
    finite = jnp.isfinite(batch["box"]).all(-1)
    box = jnp.where(finite[:, None], batch["box"], 1)
    by_corners = geometry.move_box(batch["matrix"], box)
    moved = move_by_mask(batch, box, source=source, target=size) if by_mask else by_corners
    annotated = batch["mask"] * finite
    # A mask that was moved out of the picture has no extent: it cannot be learned, but an evaluation counts it.
    inside = (moved[:, 2:] > 0).all(-1)
    target = (moved + jnp.array(SHIFT)) / extent_of(size)
    return {**batch, "target": target, "weight": annotated * inside, "annotated": annotated}


def extent_of(size: geometry.Size) -> jax.Array:
    """(4,) width, height, width and height of a picture of (height, width) `size`, in pixels."""
    return jnp.array([size[1], size[0], size[1], size[0]], jnp.float32)


def move_by_mask(batch: Batch, box: jax.Array, *, source: geometry.Size, target: geometry.Size) -> jax.Array:
    """(B, 4) boxes in photo pixels -> the extents of their masks, warped from stored views to a network's input."""
    stored = geometry.move_box(batch["view"], box)
    onward = geometry.compose(geometry.invert(batch["view"]), batch["matrix"])
    return jax.vmap(lambda m, b: geometry.move_box_by_mask(m, b, source=source, target=target))(onward, stored)


def score(
    predictions: Predictions, photos: Photos, *, rows: np.ndarray, names: Sequence[str] = METRICS
) -> dict[str, float]:
    """The metrics of those names over (n,) rows with a known box; {} without rows.

    A missing prediction overlaps nothing; a metric of yours leaves it out.
    """
    if not len(rows):
        return {}
    box, truth = predictions["box"][rows], photos.box[rows]
    functions = measures.select(names, annotation="box")
    values = {name: np.asarray(function(box, truth)) for name, function in functions.items()}
    values |= {name: np.nan_to_num(values[name]) for name in METRICS if name in values}
    return {
        name: float(np.nanmean(value, dtype=None if name == "iou" else np.float64)) for name, value in values.items()
    }


class Readout(NamedTuple):
    """How a box is read from a network's output.

    Attributes:
        outputs: length of the output.
        loss: (batch, outputs) and true boxes (batch, 4), in 0..1, -> (batch,).
        box: (batch, outputs) -> (batch, 4).
    """

    outputs: int
    loss: Callable[[jax.Array, jax.Array], jax.Array]
    box: Callable[[jax.Array], jax.Array]


def regression(loss: str) -> Readout:
    """The coordinates of the box themselves, by a registered loss."""
    return Readout(4, registry.function("loss", losses.LOSSES, loss, reads=("prediction", "target")), lambda y: y)


def overlap(loss: str) -> Readout:
    """Centre and sides within the picture, as DETR has them, by 1 - "iou" or "giou" of the boxes.

    Without that bound the sides grow for ever: a box around everything has no gradient left (arXiv:2005.12872).
    """

    def box(y: jax.Array) -> jax.Array:
        centre, sides = jnp.split(jax.nn.sigmoid(y), 2, axis=-1)
        return jnp.concatenate([centre - sides / 2, sides], axis=-1)

    return Readout(4, lambda y, target: 1 - OVERLAPS[loss](box(y), target), box)


def corner_bins(bins: int, sigma_bins: float) -> Readout:
    """Softmax over bins for each coordinate of two corners."""

    def loss(y: jax.Array, target: jax.Array) -> jax.Array:
        low, extent = jnp.split(target, 2, axis=-1)
        corners = jnp.clip(jnp.stack([low, low + extent], axis=1), 0, 1)
        return losses.binned_cross_entropy(y.reshape(-1, 2, 2, bins), corners, width=sigma_bins)

    def box(y: jax.Array) -> jax.Array:
        """The box around both corners: an unsure network may put them the wrong way round."""
        return geometry.bounding_box(geometry.soft_argmax(y.reshape(-1, 2, 2, bins), reach=3 * sigma_bins))

    return Readout(4 * bins, loss, box)
