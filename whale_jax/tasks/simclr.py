"""Pre-training on photos of nobody in particular (post, section 7.4): two views of a photo, picked out among others.

SimCLR (Chen et al., arXiv:2002.05709), with the network's last layer as its projection head, which is linear here.
"""

from functools import partial

import jax
import jax.numpy as jnp

from whale_jax import geometry, pairs
from whale_jax.evaluation import metrics
from whale_jax.tasks import Batch, Outputs, Task, embed, inputs


def simclr(
    *, size, dimensions: int = 128, temperature: float = 0.2, augmentation: str = "", colour: bool = True
) -> Task:
    """The task of telling which two pictures of a batch are views of one photo. No label is used.

    Args:
        size: (height, width) of the network's input, in pixels.
        dimensions: of the projection, which is brought to length 1.
        temperature: that similarities are divided by, above 0.
        augmentation: specification for `inputs.parse`; each view draws its own.
        colour: whether the network sees it; it tells views apart by the water, if it does.
    """
    how = partial(inputs.whales, augmentation=inputs.parse(augmentation), size=size, colour=colour)

    def prepare(key: jax.Array, batch: Batch, train: bool) -> Batch:
        if not train:
            return how(key, batch, train)
        views = [view_of(how(jax.random.fold_in(key, i), batch, train), i) for i in range(2)]
        # Next to each other, so that both views of a photo stay on its device.
        return jax.tree.map(lambda *two: jnp.stack(two, 1).reshape(-1, *two[0].shape[1:]), *views)

    def loss(outputs: Outputs, batch: Batch) -> jax.Array:
        return pairs.picked_out(*embed.relations(outputs, batch), temperature=temperature)

    def measure(outputs: Outputs, batch: Batch) -> dict[str, metrics.Metric]:
        distance, _, other = embed.relations(outputs, batch)
        return {"distance": (jnp.where(other, distance, 0).sum(), other.sum().astype(jnp.float32))}

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        return {"features": geometry.unit(outputs[1]["features"])}

    return Task(dimensions, prepare, loss, measure, predict, best="top1", maximise=True, compared=True)


def view_of(batch: Batch, number: int) -> Batch:
    """A batch in which every photo is an individual of its own, and this is its picture of that number, 0 or 1."""
    return {**batch, "label": batch["index"], "index": 2 * batch["index"] + number, "weight": batch["mask"]}
