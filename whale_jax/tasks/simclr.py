"""Pre-training on photos of nobody in particular (post, section 7.4): two views of a photo, picked out among others.

SimCLR (Chen et al., arXiv:2002.05709), with the network's last layer as its projection head, which is linear here.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax

from whale_jax import geometry, losses
from whale_jax.runtime import errors
from whale_jax.tasks import embed, inputs, setup
from whale_jax.tasks.task import Batch, Metric, Outputs, Task


def simclr(
    *,
    size,
    dimensions: int = 128,
    temperature: float = 0.2,
    augmentation: str = "",
    colour: bool = True,
    normalise: inputs.Normalise = inputs.picture,
) -> Task:
    """The task of telling which two pictures of a batch are views of one photo. No label is used.

    Args:
        size: (height, width) of the network's input, in pixels.
        dimensions: of the projection, which is brought to length 1.
        temperature: that similarities are divided by, above 0.
        augmentation: specification for `inputs.parse`; each view draws its own.
        colour: whether the network sees it; it tells views apart by the water, if it does.
        normalise: one of inputs.NORMALISATIONS, which the model chooses.
    """
    prepare_view = partial(inputs.whales, **inputs.options(augmentation, size=size, normalise=normalise), colour=colour)

    def prepare(key: jax.Array, batch: Batch, train: bool) -> Batch:
        if not train:
            return prepare_view(key, batch, train)
        return inputs.interleave(
            *(view_of(prepare_view(jax.random.fold_in(key, i), batch, train), number=i) for i in range(2))
        )

    def loss(outputs: Outputs, batch: Batch) -> jax.Array:
        return losses.supervised_contrastive(*embed.relations(outputs, batch), temperature=temperature)

    def measure(outputs: Outputs, batch: Batch) -> dict[str, Metric]:
        distance, _, other = embed.relations(outputs, batch)
        return {"distance": embed.mean_distance(distance, other)}

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        return {"features": geometry.unit(outputs[1]["features"])}

    return Task(
        outputs=dimensions,
        prepare=prepare,
        loss=loss,
        metrics=measure,
        predict=predict,
        best="top1",
        maximise=True,
        pairwise=True,
        score=embed.score,
        check_setup=check_setup,
    )


def view_of(batch: Batch, *, number: int) -> Batch:
    """A batch in which every photo is an individual of its own, and this is its picture of that number, 0 or 1."""
    return {**batch, "label": batch["index"], "index": 2 * batch["index"] + number, "weight": batch["mask"]}


def check_setup(model: Mapping[str, Any], *, batch: int, images_per_class: int, weights: str) -> None:
    """Raises InputError where a batch does not hold two photos by chance, or where weights know the photos' names."""
    setup.check(model)
    if batch < 2 or images_per_class > 1 or weights:
        raise errors.InputError(
            "the task 'simclr' needs batches of 2 photos or more, each by itself, and knows no whale from before: set"
            " batch to 2 or more, images_per_class to 1, and leave out inputs.weights"
        )
