"""From a view of a photo, as stored, to what a network sees; the same for every task."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from whale_jax import augment, geometry
from whale_jax.runtime import errors
from whale_jax.tasks.task import Batch

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green, blue, in 0..1
UNDONE = ("brightness", "contrast")  # by `prepare`: a sum and a factor, but for the few pixels that are clipped


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
        batch with image (B, *size, 3) float32, every picture of mean 0 and deviation 1, what these were, mean and
        deviation (B, 1, 1, 1) of values in 0..1, matrix (B, 3, 3) from pixels of the *photo* to pixels of the network's
        input, and weight (B,), equal to mask.
    """
    if "warp" in batch:
        matrices = batch["warp"]
        images = jax.vmap(lambda image, matrix: geometry.warp(image, matrix, size=size) / 255)(batch["image"], matrices)
    else:
        keys = jax.vmap(partial(jax.random.fold_in, key))(batch["index"])
        augmentation = augmentation if train else parse("")
        images, matrices = augment.augment_batch(augmentation, keys, images=batch["image"], size=size)
    matrices = geometry.compose(batch["view"], matrices)
    mean, deviation = exposure(images)
    images = (images - mean) / deviation
    moments = {"mean": mean, "deviation": deviation}
    return {**batch, "image": images, **moments, "matrix": matrices, "weight": batch["mask"]}


def whales(
    key: jax.Array, batch: Batch, train: bool, *, colour: bool, augmentation: augment.Augmentation, size
) -> Batch:
    """`prepare` for tasks that name whales: unlabelled photos get the label 0, and in weight (B,) a 0."""
    batch = prepare(key, batch, train, augmentation=augmentation, size=size)
    batch = batch if colour else grey(batch)
    named = batch["label"] >= 0
    return {**batch, "label": jnp.where(named, batch["label"], 0), "weight": batch["mask"] * named}


def interleave(*batches: Batch) -> Batch:
    """Several batches of the same rows as one: a row of each in turn, so that all of a photo stay on its device."""
    return jax.tree.map(lambda *values: jnp.stack(values, 1).reshape(-1, *values[0].shape[1:]), *batches)


def exposure(images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(B, 1, 1, 1) mean and deviation of (B, h, w, 3) pictures; flights differ more by these than whales do."""
    return images.mean((1, 2, 3), keepdims=True), jnp.maximum(images.std((1, 2, 3), keepdims=True), 1e-3)


def grey(batch: Batch) -> Batch:
    """A prepared batch without colour, which tells one day's water from another's, not whales."""
    images = jnp.broadcast_to(batch["image"].mean(-1, keepdims=True), batch["image"].shape)
    mean, deviation = exposure(images)
    moments = {"mean": batch["mean"] + batch["deviation"] * mean, "deviation": batch["deviation"] * deviation}
    return {**batch, "image": (images - mean) / deviation, **moments}


def imagenet(prepare: Callable[..., Batch]) -> Callable[..., Batch]:
    """A task's `prepare` for networks that want ImageNet's mean subtracted, and to be divided by its deviation."""

    def prepared(key: jax.Array, batch: Batch, train: bool) -> Batch:
        batch = prepare(key, batch, train)
        images = batch["image"] * batch["deviation"] + batch["mean"]
        return {**batch, "image": (images - jnp.array(IMAGENET_MEAN)) / jnp.array(IMAGENET_DEVIATION)}

    return prepared


# What a model's `input_normalisation` makes of a task's `prepare`.
NORMALISATIONS: dict[str, Callable] = {"picture": lambda prepare: prepare, "imagenet": imagenet}
