"""Naming the whale by the angle to its prototypes, with a margin (ArcFace)."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp

from whale_jax import losses
from whale_jax.tasks import classify, inputs, mirror, setup
from whale_jax.tasks.task import Batch, Outputs, Task


def arcface(
    *,
    size,
    classes: int,
    scale: float = 16.0,
    margin: float = 0.3,
    rarity: float = 0.0,
    least_margin: float = 0.0,
    centers: int = 1,
    smoothing: float = 0.0,
    metrics: Sequence[str] = classify.METRICS,
    augmentation: str = "",
    colour: bool = True,
    mirrored: bool = False,
    normalise: inputs.Normalise = inputs.picture,
) -> Task:
    """The task of naming the whale, for a network with the head "cosine" or "gem_cosine".

    The angle to the true whale's prototype counts as if it were larger by a margin (Deng et al., arXiv:1801.07698,
    equation 3). Several centers a whale let odd pictures have one of their own (sub-center ArcFace, Deng et al., ECCV
    2020). The margin may shrink with the whale's number of photos: least_margin + margin * photos^-rarity (Ha et al.,
    arXiv:2010.05350). Happywhale's first place had 0.05 + 0.271 * photos^-0.364, with scale 20.9 and two centers.

    Args:
        size: (height, width) of the network's input, in pixels.
        classes: number of whales.
        scale: of the cosines, before the softmax.
        margin: radians, of a whale with one photo, above the least.
        rarity: 0 for the same margin for all, 0.25 in the paper.
        least_margin: radians, of a whale with very many photos.
        centers: prototypes of a whale; the nearest counts.
        smoothing: label smoothing, 0..1.
        metrics, augmentation, colour, mirrored, normalise: as in `classify.classify`.
    """
    labels = 2 * classes if mirrored else classes
    measure = classify.measures(metrics)

    def logits(outputs: Outputs) -> jax.Array:
        return scale * outputs[0].reshape(len(outputs[0]), labels, centers).max(-1)

    def loss(outputs: Outputs, batch: Batch) -> jax.Array:
        margins = least_margin + margin * jnp.maximum(batch["photos"], 1.0) ** -rarity
        cosines = with_margin(logits(outputs) / scale, batch["label"], margin=margins)
        return losses.cross_entropy(scale * cosines, batch["label"], smoothing=smoothing)

    task = Task(
        outputs=labels * centers,
        prepare=partial(inputs.whales, **inputs.options(augmentation, size=size, normalise=normalise), colour=colour),
        loss=loss,
        metrics=lambda outputs, batch: measure((logits(outputs), {}), batch),
        predict=lambda outputs, batch: {"logits": logits(outputs), "features": outputs[1]["features"]},
        best="log_loss",
        annotation="label",
        names_whales=True,
        score=partial(classify.score, names=metrics),
        check_setup=partial(setup.check, cosine=True),
    )
    return mirror.paired(task, whales=classes, augmentation=augmentation, measure=measure) if mirrored else task


def with_margin(cosines: jax.Array, label: jax.Array, *, margin: jax.Array) -> jax.Array:
    """(B, whales) cosines, with the angle to the true whale larger by (B,) margins, in radians."""
    true = jnp.take_along_axis(cosines, label[:, None], axis=-1)[:, 0]
    return jnp.where(jnp.arange(cosines.shape[-1]) == label[:, None], farther(true, margin)[:, None], cosines)


def farther(cosine: jax.Array, margin: jax.Array) -> jax.Array:
    """(B,) cosine of an angle larger by `margin` radians; past half a turn it goes on falling in a straight line."""
    sine = jnp.sqrt(jnp.maximum(1 - cosine**2, 1e-8))
    turned = cosine * jnp.cos(margin) - sine * jnp.sin(margin)
    return jnp.where(cosine > -jnp.cos(margin), turned, cosine - margin * jnp.sin(margin))
