"""From a view of a photo, as stored, to what a network sees; the same for every task."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from whale_jax import augment, geometry
from whale_jax.runtime import errors
from whale_jax.tasks.task import Batch

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green, blue, in 0..1
UNDONE = ("brightness", "contrast")  # by `picture`: a sum and a factor, but for the few pixels that are clipped

Normalise = Callable[[jax.Array], jax.Array]


def picture(images: jax.Array) -> jax.Array:
    """(B, h, w, 3) pictures in 0..1, each brought to mean 0 and deviation 1."""
    mean, deviation = exposure(images)
    return (images - mean) / deviation


def imagenet(images: jax.Array) -> jax.Array:
    """(B, h, w, 3) pictures in 0..1, less the mean of ImageNet's channels, by their deviation."""
    return (images - jnp.array(IMAGENET_MEAN)) / jnp.array(IMAGENET_DEVIATION)


def signed(images: jax.Array) -> jax.Array:
    """(B, h, w, 3) pictures in 0..1 -> (x - 127) / 128 of their 8-bit values x, as EfficientNet-Lite learned them."""
    return (images * 255 - 127) / 128


# What a model's `input_normalisation` makes of (B, h, w, 3) pictures in 0..1.
NORMALISATIONS: dict[str, Normalise] = {"picture": picture, "imagenet": imagenet, "signed": signed}


def parse(spec: str, *, normalise: Normalise = picture) -> augment.Augmentation:
    """`augment.parse` for pictures that `normalise` is applied to; an operation that this undoes raises InputError."""
    parsed = augment.parse(spec)
    for operation in parsed.photometric.operations:
        if operation.name in UNDONE and normalise is picture:
            message = f"{operation.name!r} in augmentation {spec!r} changes nothing"
            reason = "every picture is brought to mean 0 and deviation 1 afterwards"
            raise errors.InputError(f"{message}, since {reason}: remove it, or write gamma")
    return parsed


def options(augmentation: str, *, size, normalise: Normalise) -> dict[str, Any]:
    """The keyword arguments of `prepare` for a specification of augmentation."""
    return {"augmentation": parse(augmentation, normalise=normalise), "size": size, "normalise": normalise}


def prepare(
    key: jax.Array,
    batch: Batch,
    train: bool,
    *,
    augmentation: augment.Augmentation,
    size,
    normalise: Normalise = picture,
) -> Batch:
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
        normalise: one of NORMALISATIONS, which the model chooses.

    Returns:
        batch with image (B, *size, 3) float32, normalised, matrix (B, 3, 3) from pixels of the *photo* to pixels of the
        network's input, and weight (B,), equal to mask.
    """
    if "warp" in batch:
        matrices = batch["warp"]
        images = jax.vmap(lambda image, matrix: geometry.warp(image, matrix, size=size) / 255)(batch["image"], matrices)
    else:
        keys = jax.vmap(partial(jax.random.fold_in, key))(batch["index"])
        augmentation = augmentation if train else parse("")
        images, matrices = augment.augment_batch(augmentation, keys, images=batch["image"], size=size)
    matrices = geometry.compose(batch["view"], matrices)
    return {**batch, "image": normalise(images), "matrix": matrices, "weight": batch["mask"]}


def whales(
    key: jax.Array,
    batch: Batch,
    train: bool,
    *,
    colour: bool,
    augmentation: augment.Augmentation,
    size,
    normalise: Normalise = picture,
) -> Batch:
    """`prepare` for tasks that name whales: unlabelled photos get label 0 and weight 0, in (B,) arrays."""
    normalise = normalise if colour else partial(grey, normalise=normalise)
    batch = prepare(key, batch, train, augmentation=augmentation, size=size, normalise=normalise)
    named = batch["label"] >= 0
    return {**batch, "label": jnp.where(named, batch["label"], 0), "weight": batch["mask"] * named}


def interleave(*batches: Batch) -> Batch:
    """Several batches of the same rows as one: a row of each in turn, so that all of a photo stay on its device."""
    return jax.tree.map(lambda *values: jnp.stack(values, 1).reshape(-1, *values[0].shape[1:]), *batches)


def exposure(images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(B, 1, 1, 1) mean and deviation of (B, h, w, 3) pictures; flights differ more by these than whales do."""
    return images.mean((1, 2, 3), keepdims=True), jnp.maximum(images.std((1, 2, 3), keepdims=True), 1e-3)


def grey(images: jax.Array, *, normalise: Normalise) -> jax.Array:
    """(B, h, w, 3) normalised pictures without colour, which tells one day's water from another's, not whales."""
    # The mean of standardised channels has the same light, and numbers that earlier trainings saw to the last bit.
    channels = picture(images) if normalise is picture else images
    return normalise(jnp.broadcast_to(channels.mean(-1, keepdims=True), images.shape))
