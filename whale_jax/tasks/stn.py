"""Finding and naming at once, for the spatial transformer: the supervised localizer loss of the post's section 7.2."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from whale_jax import frames, geometry, losses
from whale_jax.evaluation import metrics as measures
from whale_jax.runtime import errors, registry
from whale_jax.tasks import classify, inputs, setup
from whale_jax.tasks.task import Batch, Metric, Outputs, Photos, Task, any_photos

GRID = (8, 16)  # points of a crop at which it is asked whether it shows the head


def stn(
    *,
    size,
    classes: int,
    crop: tuple[int, int],
    loc_loss: str = "matrix",
    metrics: Sequence[str] = classify.METRICS,
    augmentation: str = "",
    colour: bool = True,
    class_weight: float = 1.0,
    loc_weight: float = 1.0,
    identity_weight: float = 0.0,
    annotated_fraction: float = 1.0,
    normalise: inputs.Normalise = inputs.picture,
) -> Task:
    """The task of a network that says in out["matrix"] where it looks, from pixels of its crop to its input's.

    Args:
        size: (height, width) of the network's input, in pixels.
        classes: number of whales.
        crop: (height, width) of what the network cuts out, as in its config.
        loc_loss: of the localizer: squared error of the "matrix", of its normalised numbers, or of the "points" that
            it maps, in head lengths; or, of a network that finds points by score maps, softmax over their "bins".
        metrics, augmentation, colour, normalise: as in `classify.classify`.
        class_weight: weight of the cross entropy; 0 trains the localizer alone.
        loc_weight: weight of the localizer's loss; 0 leaves it to the cross entropy.
        identity_weight: weight of the squared distance of the matrix from the identity.
        annotated_fraction: of the photos, whose points are used, each for as much more; which, their index decides.
    """
    error = registry.lookup("loc_loss", LOC_LOSSES, loc_loss)
    view = partial(inputs.whales, **inputs.options(augmentation, size=size, normalise=normalise), colour=colour)

    def loss(outputs: Outputs, batch: Batch) -> jax.Array:
        supervised = (batch["annotated"] > 0) & sampled(batch["index"], share=annotated_fraction)
        loc = jnp.where(supervised, error(outputs[1], batch, crop=crop, size=size), 0) / max(annotated_fraction, 1e-6)
        identity = jnp.square(geometry.normalise(outputs[1]["matrix"], crop=crop, size=size)).mean(-1)
        entropy = losses.cross_entropy(outputs[0], batch["label"])
        return class_weight * entropy + loc_weight * loc + identity_weight * identity

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        return {
            "logits": outputs[0],
            "features": outputs[1]["features"],
            "points": points_of(outputs, batch, crop=crop),
        }

    return Task(
        outputs=classes,
        prepare=partial(prepare, view=view, crop=crop),
        loss=loss,
        metrics=measures_of(metrics, crop=crop),
        predict=predict,
        best="log_loss" if class_weight else "point_error",  # a classifier that does not learn has nothing to say
        annotation="label",
        names_whales=True,
        score=partial(classify.score, names=metrics),
        check=partial(check, loc_weight=loc_weight, fraction=annotated_fraction) if loc_weight else any_photos,
        check_setup=partial(check_setup, crop=crop, loc_loss=loc_loss),
    )


def prepare(key: jax.Array, batch: Batch, train: bool, *, view: Callable[..., Batch], crop: geometry.Size) -> Batch:
    """The pictures, by `view`, and the matrix (B, 3, 3) from pixels of a crop of the aligned head to theirs."""
    batch = view(key, batch, train)
    finite = jnp.isfinite(batch["points"]).all((1, 2))
    points = jnp.where(finite[:, None, None], batch["points"], jnp.array([[1.0, 0], [0, 0]]))
    moved = geometry.move_points(batch["matrix"], points)
    target = geometry.invert(frames.head(moved, crop))
    return {**batch, "target": target, "moved_points": moved, "annotated": finite * batch["mask"]}


def points_of(outputs: Outputs, batch: Batch, *, crop: geometry.Size) -> jax.Array:
    """(B, 2, 2) bonnet and blowhead in pixels of the photo, if the crop is the aligned head."""
    points = geometry.move_points(outputs[1]["matrix"], frames.places(crop))
    return geometry.move_points(geometry.invert(batch["matrix"]), points)


def measures_of(names: Sequence[str], *, crop: geometry.Size) -> Callable[[Outputs, Batch], dict[str, Metric]]:
    """The metrics of those names, of (B, whales) logits; of points, and of how much of the head the crop shows."""
    measure_whales = classify.measures(names)
    functions = measures.select(("point_error", "pck@0.1", "pck@0.25"), annotation="points")

    def measure(outputs: Outputs, batch: Batch) -> dict[str, Metric]:
        points, mask = points_of(outputs, batch, crop=crop), batch["annotated"]
        return {
            **measure_whales(outputs, batch),
            **measures.measure(functions, points, truth=batch["points"], mask=mask),
            "head_share": measures.masked(head_share(outputs[1]["matrix"], batch["target"], crop=crop), mask),
        }

    return measure


def check(photos: Photos, rows: np.ndarray, *, loc_weight: float, fraction: float) -> None:
    """Raises InputError where no photo of the (n,) `rows` has points that the localizer could learn from."""
    with_points = rows[np.isfinite(photos.points[rows]).all((1, 2))]
    if not np.asarray(sampled(jnp.asarray(with_points), share=fraction)).any():
        raise errors.InputError(
            f"the localizer's loss has the weight {loc_weight:g}, and of the {len(rows):,} photos to train on none has"
            f" points that are used (task.annotated_fraction = {fraction:g}): annotate some, or set"
            " task.loc_weight to 0"
        )


def check_setup(model: Mapping[str, Any], *, crop: geometry.Size, loc_loss: str, **batches: Any) -> None:
    """Raises InputError where the model is no spatial transformer, or one of another crop or without score maps."""
    setup.check(model, transformer=True)
    if tuple(crop) != tuple(model["crop"]):
        raise errors.InputError(f"task.crop = {tuple(crop)} and model.crop = {tuple(model['crop'])} must be the same")
    if loc_loss == "bins" and model["transform"] != "points":
        raise errors.InputError("task.loc_loss = 'bins' is of score maps, of which model.transform = 'points' has some")


def matrix_error(out: dict, batch: Batch, *, crop: geometry.Size, size: geometry.Size) -> jax.Array:
    """(B,) mean squared error of the normalised numbers of a matrix."""
    true = geometry.normalise(batch["target"], crop=crop, size=size)
    return jnp.square(geometry.normalise(out["matrix"], crop=crop, size=size) - true).mean(-1)


def points_error(out: dict, batch: Batch, *, crop: geometry.Size, size: geometry.Size) -> jax.Array:
    """(B,) squared distance of the points that a matrix maps from the true ones, in head lengths."""
    off = geometry.move_points(out["matrix"], frames.places(crop)) - batch["moved_points"]
    length = batch["moved_points"][:, 0] - batch["moved_points"][:, 1]
    return jnp.square(off).sum(-1).mean(-1) / jnp.square(length).sum(-1)


def bins_error(out: dict, batch: Batch, *, crop: geometry.Size, size: geometry.Size) -> jax.Array:
    """(B,) cross entropy of score maps, as the aligner's; 0 where a point is outside the picture."""
    places = geometry.shares(batch["moved_points"], size)
    inside = ((places > 0) & (places < 1)).all((1, 2))
    return jnp.where(inside, losses.binned_cross_entropy(out["scores"], places, width=1.0), 0)


def sampled(index: jax.Array, *, share: float) -> jax.Array:
    """(B,) bool, true of about this share of all photos, and always of the same (Knuth's multiplicative hash)."""
    return (share >= 1) | ((index.astype(jnp.uint32) * jnp.uint32(2654435761)) < share * 2.0**32)


def head_share(matrix: jax.Array, target: jax.Array, *, crop: geometry.Size) -> jax.Array:
    """(B,) share of the crop that shows the aligned head, of which waves have nothing."""
    x, y = jnp.meshgrid(
        *((jnp.arange(n) + 0.5) / n * side - 0.5 for n, side in zip(GRID[::-1], crop[::-1], strict=True))
    )
    places = jnp.stack([x.ravel(), y.ravel()], axis=-1)
    moved = geometry.move_points(geometry.compose(matrix, geometry.invert(target)), places)
    inside = (moved > -0.5) & (moved < jnp.array(crop[::-1]) - 0.5)
    return inside.all(-1).mean(-1)


LOC_LOSSES = {"matrix": matrix_error, "points": points_error, "bins": bins_error}
