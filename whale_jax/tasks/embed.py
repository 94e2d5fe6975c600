"""Embeddings in which the pictures of one whale lie together (post, section 7.1)."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from whale_jax import geometry, losses
from whale_jax.evaluation import retrieval
from whale_jax.evaluation.metrics import masked
from whale_jax.runtime import errors, registry
from whale_jax.tasks import inputs, setup
from whale_jax.tasks.task import Batch, Metric, Outputs, Photos, Predictions, Task


def embed(
    *,
    size,
    dimensions: int = 128,
    loss: str = "multi_similarity",
    margin: float = 0.1,
    augmentation: str = "",
    colour: bool = True,
    normalise: inputs.Normalise = inputs.picture,
) -> Task:
    """The task of putting pictures of one whale near each other, and those of others far away.

    Positives and negatives are mined among all pictures of the global batch, so a batch should hold several of a whale:
    see `images_per_class` of `programs.train`.

    Args:
        size: (height, width) of the network's input, in pixels.
        dimensions: of the embedding, which is brought to length 1.
        loss: one of losses.LOSSES that reads distance, same and other.
        margin: of the loss.
        augmentation: specification for `inputs.parse`.
        colour: whether the network sees it.
        normalise: one of inputs.NORMALISATIONS, which the model chooses.
    """
    cost = registry.function("loss", losses.LOSSES, loss, reads=("distance", "same", "other"), margin=margin)

    def loss_of(outputs: Outputs, batch: Batch) -> jax.Array:
        return cost(*relations(outputs, batch))

    def measure(outputs: Outputs, batch: Batch) -> dict[str, Metric]:
        distance, same, other = relations(outputs, batch)
        active = losses.active(distance, same, other, margin=margin)
        return {
            "distance": mean_distance(distance, other),
            "active": masked(active, losses.usable(same, other).astype(jnp.float32)),
        }

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        return {"features": geometry.unit(outputs[0])}

    return Task(
        outputs=dimensions,
        prepare=partial(inputs.whales, **inputs.options(augmentation, size=size, normalise=normalise), colour=colour),
        loss=loss_of,
        metrics=measure,
        predict=predict,
        best="top1",
        maximise=True,
        annotation="label",
        pairwise=True,
        score=score,
        check=check,
        check_setup=check_setup,
    )


def relations(outputs: Outputs, batch: Batch) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(B, N) distances of a batch from the gallery, and which pictures are of the same whale, or of another."""
    gallery = batch["gallery"]
    named = (batch["weight"] > 0)[:, None] & (gallery["weight"] > 0)
    alike = batch["label"][:, None] == gallery["label"]
    identical = batch["index"][:, None] == gallery["index"]
    distance = losses.distances(geometry.unit(outputs[0]), geometry.unit(gallery["embedding"]))
    return distance, named & alike & ~identical, named & ~alike


def mean_distance(distance: jax.Array, other: jax.Array) -> Metric:
    """Sum and count of the (B, N) distances between pictures of different whales."""
    return jnp.where(other, distance, 0).sum(), other.sum().astype(jnp.float32)


def score(predictions: Predictions, photos: Photos, *, rows: np.ndarray) -> dict[str, float]:
    """How well the whale of each of the (n,) rows is named by the other photos that have (N, D) features and a label.

    Rows of whales that the others do not show are left out: nobody could name them. {} where that leaves none.
    """
    features, label = predictions["features"], photos.label
    gallery = np.setdiff1d(np.flatnonzero(np.isfinite(features).all(1) & (label >= 0)), rows)
    if not np.isin(label[rows], label[gallery]).any():
        return {}
    labels = {"query_label": label[rows], "label": label[gallery]}
    return retrieval.score(features[rows], features[gallery], **labels, whales=len(photos.whales))


def check(photos: Photos, rows: np.ndarray) -> None:
    """Raises InputError where the photos of the (n,) `rows` are of one whale, or show each whale once."""
    whales, counts = np.unique(photos.label[rows], return_counts=True)
    if counts.max() < 2 or len(whales) < 2:
        raise errors.InputError(
            "the task 'embed' compares two photos of a whale with one of another, and the photos to train on are"
            f" of {len(whales):,} whales with at most {counts.max()} photos each: add photos of these"
        )


def check_setup(model: Mapping[str, Any], *, batch: int, images_per_class: int, weights: str) -> None:
    """Raises InputError where a batch cannot hold two photos of a whale and one of another."""
    setup.check(model)
    if not 2 <= images_per_class < batch:
        raise errors.InputError(
            f"batches of {batch} with images_per_class = {images_per_class} hold no two photos of a whale and one of"
            " another: set images_per_class to 2 or more, and batch above it"
        )
