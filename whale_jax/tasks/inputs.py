"""From a view of a photo, as stored, to what a network sees; the same for every task."""

from functools import partial

import jax
import jax.numpy as jnp

from whale_jax import augment, geometry
from whale_jax.runtime import errors
from whale_jax.tasks.task import Batch

UNDONE = ("brightness", "contrast")  # by `standardise`: a sum and a factor, but for the few pixels that are clipped


def parse(spec: str) -> augment.Augmentation:
    """`augment.parse` for pictures that are standardised; an operation that this undoes raises InputError."""
    parsed = augment.parse(spec)
    for operation in parsed.photometric.operations:
        if operation.name in UNDONE:
            message = f"{operation.name!r} in augmentation {spec!r} changes nothing"
            reason = "every picture is brought to mean 0 and deviation 1 afterwards"
            raise errors.InputError(f"{message}, since {reason}: remove it, or write gamma")
    return parsed


def prepare(key: jax.Array, batch: Batch, train: bool, *, augmentation: augment.Augmentation, size) -> Batch:
    """Augments and resizes the pictures of a batch, each by a key of its own.

    Args:
        key: of this step; an example's key is folded in from its index, so neither its place in the batch
            nor the number of devices changes what happens to it.
        batch: image (B, h, w, 3) uint8, index (B,), mask (B,) of 0 or 1, view (B, 3, 3) from pixels of the
            photo to pixels of the image, and optionally warp (B, 3, 3) from image to network input, which
            then replaces the augmentation (test-time augmentation).
        train: augment, or only resize.
        augmentation: parsed specification.
        size: (height, width) of the network's input.

    Returns:
        batch with image (B, *size, 3) float32, every picture of mean 0 and deviation 1, matrix (B, 3, 3)
        from pixels of the *photo* to pixels of the network's input, and weight (B,), equal to mask.
    """
    if "warp" in batch:
        matrices = batch["warp"]
        images = jax.vmap(lambda image, matrix: geometry.warp(image, matrix, size=size) / 255)(batch["image"], matrices)
    else:
        keys = jax.vmap(partial(jax.random.fold_in, key))(batch["index"])
        augmentation = augmentation if train else parse("")
        images, matrices = augment.augment_batch(augmentation, keys, images=batch["image"], size=size)
    matrices = geometry.compose(batch["view"], matrices)
    return {**batch, "image": standardise(images), "matrix": matrices, "weight": batch["mask"]}


def whales(
    key: jax.Array, batch: Batch, train: bool, *, colour: bool, augmentation: augment.Augmentation, size
) -> Batch:
    """`prepare` for tasks that name whales: unlabelled photos get the label 0, and in weight (B,) a 0."""
    batch = prepare(key, batch, train, augmentation=augmentation, size=size)
    image = batch["image"] if colour else grey(batch["image"])
    named = batch["label"] >= 0
    return {**batch, "image": image, "label": jnp.where(named, batch["label"], 0), "weight": batch["mask"] * named}


def standardise(images: jax.Array) -> jax.Array:
    """Every (B, h, w, 3) picture to mean 0 and deviation 1: exposure differs more between flights than whales do."""
    mean = images.mean((1, 2, 3), keepdims=True)
    return (images - mean) / jnp.maximum(images.std((1, 2, 3), keepdims=True), 1e-3)


def grey(images: jax.Array) -> jax.Array:
    """Standardised (B, h, w, 3) pictures without colour, which tells one day's water from another's, not whales."""
    return standardise(jnp.broadcast_to(images.mean(-1, keepdims=True), images.shape))
