"""Embeddings in which the pictures of one whale lie together (post, section 7.1)."""

from functools import partial

import jax
import jax.numpy as jnp

from whale_jax import geometry, pairs
from whale_jax.evaluation import metrics
from whale_jax.runtime import registry
from whale_jax.tasks import Batch, Outputs, Task, inputs


def embed(
    *,
    size,
    dimensions: int = 128,
    objective: str = "multi_similarity",
    margin: float = 0.1,
    augmentation: str = "",
    colour: bool = True,
) -> Task:
    """The task of putting pictures of one whale near each other, and those of others far away.

    Positives and negatives are mined among all pictures of the global batch, so a batch should hold several of a whale:
    see `images_per_class` of `programs.train`.

    Args:
        size: (height, width) of the network's input, in pixels.
        dimensions: of the embedding, which is brought to length 1.
        objective: one of pairs.LOSSES.
        margin: of the objective.
        augmentation: specification for `inputs.parse`.
        colour: whether the network sees it.
    """
    cost = partial(registry.lookup("objective", pairs.LOSSES, objective), margin=margin)

    def loss(outputs: Outputs, batch: Batch) -> jax.Array:
        return cost(*relations(outputs, batch))

    def measure(outputs: Outputs, batch: Batch) -> dict[str, metrics.Metric]:
        distance, same, other = relations(outputs, batch)
        active = pairs.active(distance, same, other, margin=margin)
        return {
            "distance": (jnp.where(other, distance, 0).sum(), other.sum().astype(jnp.float32)),
            "active": metrics.masked(active, pairs.usable(same, other).astype(jnp.float32)),
        }

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        return {"features": geometry.unit(outputs[0])}

    prepare = partial(inputs.whales, augmentation=inputs.parse(augmentation), size=size, colour=colour)
    return Task(dimensions, prepare, loss, measure, predict, best="top1", maximise=True, compared=True)


def relations(outputs: Outputs, batch: Batch) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(B, N) distances of a batch from everybody, who is of the same whale, and who of another."""
    everybody = batch["everybody"]
    known = (batch["weight"] > 0)[:, None] & (everybody["weight"] > 0)
    alike = batch["label"][:, None] == everybody["label"]
    itself = batch["index"][:, None] == everybody["index"]
    distance = pairs.distances(geometry.unit(outputs[0]), geometry.unit(everybody["embedding"]))
    return distance, known & alike & ~itself, known & ~alike
