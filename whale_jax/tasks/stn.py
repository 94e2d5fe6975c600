"""Finding and naming at once, for the spatial transformer: the supervised localizer loss of the post's section 7.2."""

import jax
import jax.numpy as jnp

from whale_jax import frames, geometry, losses
from whale_jax.evaluation import metrics
from whale_jax.runtime import registry
from whale_jax.tasks import Batch, Outputs, Task, bins, classify, inputs

GRID = (8, 16)  # points of a crop at which it is asked whether it shows the head


def stn(
    *,
    size,
    classes: int,
    crop: tuple[int, int],
    augmentation: str = "",
    colour: bool = True,
    class_weight: float = 1.0,
    loc_weight: float = 1.0,
    objective: str = "matrix",
    annotated: float = 1.0,
    identity_weight: float = 0.0,
) -> Task:
    """The task of a network that says in out["matrix"] where it looks, from pixels of its crop to its input's.

    Args:
        size: (height, width) of the network's input, in pixels.
        classes: number of whales.
        crop: (height, width) of what the network cuts out, as in its config.
        augmentation: specification for `inputs.parse`.
        colour: whether the network sees it.
        class_weight: weight of the cross entropy; 0 trains the localizer alone.
        loc_weight: weight of the localizer's loss; 0 leaves it to the cross entropy.
        objective: of the localizer: squared error of the "matrix", of its normalised numbers, or of the "points" that
            it maps, in head lengths; or, of a network that finds points by score maps, softmax over their "bins".
        annotated: share of the photos whose points are used, each for as much more; which ones, their index decides.
        identity_weight: weight of the squared distance of the matrix from the identity.
    """
    error = registry.lookup(
        "objective", {"matrix": matrix_error, "points": points_error, "bins": bins_error}, objective
    )
    parsed = inputs.parse(augmentation)

    def prepare(key: jax.Array, batch: Batch, train: bool) -> Batch:
        batch = inputs.whales(key, batch, train, augmentation=parsed, size=size, colour=colour)
        known = jnp.isfinite(batch["points"]).all((1, 2))
        points = jnp.where(known[:, None, None], batch["points"], jnp.array([[1.0, 0], [0, 0]]))
        seen = geometry.move_points(batch["matrix"], points)
        target = geometry.invert(frames.head(seen, crop))
        return {**batch, "target": target, "seen": seen, "located": known * batch["mask"]}

    def loss(outputs: Outputs, batch: Batch) -> jax.Array:
        out = outputs[1]
        taught = (batch["located"] > 0) & chosen(batch["index"], annotated)
        located = jnp.where(taught, error(out, batch, crop, size), 0) / max(annotated, 1e-6)
        strayed = jnp.square(geometry.normalise(out["matrix"], crop, size)).mean(-1)
        named = losses.cross_entropy(outputs[0], batch["label"])
        return class_weight * named + loc_weight * located + identity_weight * strayed

    def find(outputs: Outputs, batch: Batch) -> jax.Array:
        """(B, 2, 2) bonnet and blowhead in pixels of the photo, if the crop is the aligned head."""
        seen = geometry.move_points(outputs[1]["matrix"], frames.places(crop))
        return geometry.move_points(geometry.invert(batch["matrix"]), seen)

    def measure(outputs: Outputs, batch: Batch) -> dict[str, metrics.Metric]:
        known = batch["located"]
        return {
            **classify.measure(outputs, batch),
            **metrics.keypoints(find(outputs, batch), batch["points"], known, within=(0.1, 0.25)),
            "head_share": metrics.masked(head_share(outputs[1]["matrix"], batch["target"], crop), known),
        }

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        return {"logits": outputs[0], "features": outputs[1]["features"], "points": find(outputs, batch)}

    best = "log_loss" if class_weight else "point_error"  # a classifier that does not learn has nothing to say
    return Task(classes, prepare, loss, measure, predict, best=best)


def matrix_error(out: dict, batch: Batch, crop: geometry.Size, size: geometry.Size) -> jax.Array:
    """(B,) mean squared error of the normalised numbers of a matrix."""
    true = geometry.normalise(batch["target"], crop, size)
    return jnp.square(geometry.normalise(out["matrix"], crop, size) - true).mean(-1)


def points_error(out: dict, batch: Batch, crop: geometry.Size, size: geometry.Size) -> jax.Array:
    """(B,) squared distance of the points that a matrix maps from the true ones, in head lengths."""
    off = geometry.move_points(out["matrix"], frames.places(crop)) - batch["seen"]
    length = batch["seen"][:, 0] - batch["seen"][:, 1]
    return jnp.square(off).sum(-1).mean(-1) / jnp.square(length).sum(-1)


def bins_error(out: dict, batch: Batch, crop: geometry.Size, size: geometry.Size) -> jax.Array:
    """(B,) cross entropy of score maps, as the aligner's; 0 where a point is outside the picture."""
    places = geometry.shares(batch["seen"], size)
    inside = ((places > 0) & (places < 1)).all((1, 2))
    return jnp.where(inside, bins.loss(out["scores"], places, width=1.0), 0)


def chosen(index: jax.Array, share: float) -> jax.Array:
    """(B,) bool, true of about this share of all photos, and always of the same (Knuth's multiplicative hash)."""
    return (share >= 1) | ((index.astype(jnp.uint32) * jnp.uint32(2654435761)) < share * 2.0**32)


def head_share(matrix: jax.Array, target: jax.Array, crop: geometry.Size) -> jax.Array:
    """(B,) share of the crop that shows the aligned head, of which waves have nothing."""
    x, y = jnp.meshgrid(
        *((jnp.arange(n) + 0.5) / n * side - 0.5 for n, side in zip(GRID[::-1], crop[::-1], strict=True))
    )
    places = jnp.stack([x.ravel(), y.ravel()], axis=-1)
    moved = geometry.move_points(geometry.compose(matrix, geometry.invert(target)), places)
    inside = (moved > -0.5) & (moved < jnp.array(crop[::-1]) - 0.5)
    return inside.all(-1).mean(-1)
