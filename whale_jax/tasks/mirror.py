"""Mirror images as whales of their own: twice the whales to learn, and two pictures of every photo to answer from.

The callosities of a whale's left and right side are not alike, so the mirror image of a head is a head that no whale of
the catalogue has. With the same label it teaches what is not so; as one more whale it is one more head to learn from,
as the winners of Kaggle's competition of humpback whales had it.

An aligned head lies along x, its bonnet to the right. What mirrors its left and right side, and leaves the bonnet where
it is, is the picture upside down: "flip_ud" in `augment`. "flip_lr" would also turn the head round by half a turn.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from whale_jax import augment, geometry
from whale_jax.runtime import errors
from whale_jax.tasks import inputs
from whale_jax.tasks.task import Batch, Metric, Outputs, Task

FLIP = "flip_ud"
Measure = Callable[[Outputs, Batch], dict[str, Metric]]


def paired(task: Task, *, whales: int, augmentation: str, measure: Measure) -> Task:
    """The task of telling whales from each other and from their mirror images, of which it answers for whales alone.

    In training, a photo that the augmentation mirrors has the label of its whale's mirror image, which is `whales`
    higher. In an evaluation the network sees each photo and its mirror image. The logit of whale k is the mean of the
    photo's for whale k and the mirror image's for the mirror image of k; the features are those of both, one after the
    other, so that a distance compares photos with photos and mirror images with mirror images.

    Args:
        task: of naming whales and mirror images: twice as many as there are whales.
        whales: number of whales.
        augmentation: specification, in which "flip_ud" mirrors.
        measure: (outputs, batch) -> {name: (sum, count)} of logits of whales.

    Raises:
        InputError: an augmentation that never mirrors.
    """
    if FLIP not in [operation.name for operation in augment.parse(augmentation).geometric.operations]:
        raise errors.InputError(
            f"task.mirrored = True learns from mirrored photos, and task.augmentation = {augmentation!r} mirrors none:"
            f" add {FLIP}, as in {'|'.join(filter(None, (FLIP, augmentation)))!r}"
        )

    def prepare(key: jax.Array, batch: Batch, train: bool) -> Batch:
        batch = task.prepare(key, batch, train)
        return relabelled(batch if train else inputs.interleave(batch, reflected(batch)), whales=whales)

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        logits, features = (pairs(task.predict(outputs, batch)[name], batch) for name in ("logits", "features"))
        answer = (logits[:, 0, :whales] + logits[:, 1, whales:]) / 2
        return {"logits": answer, "features": features.reshape(len(features), -1)}

    def metrics(outputs: Outputs, batch: Batch) -> dict[str, Metric]:
        label, weight = (pairs(batch[name], batch)[:, 0] for name in ("label", "weight"))
        return measure((predict(outputs, batch)["logits"], {}), {"label": label, "weight": weight})

    return task._replace(prepare=prepare, predict=predict, metrics=metrics)


def reflected(batch: Batch) -> Batch:
    """A prepared batch upside down; what is taken into pixels of its pictures, by `matrix`, is too."""
    size = batch["image"].shape[1:3]
    flip = geometry.about(geometry.scaling(1, -1), geometry.middle(size))
    return {**batch, "image": batch["image"][:, ::-1], "matrix": geometry.compose(batch["matrix"], flip)}


def relabelled(batch: Batch, *, whales: int) -> Batch:
    """A prepared batch with `mirrored` (B,) bool, and labels and targets of `whales` whales and their mirror images."""
    turned, stored = (jnp.linalg.det(batch[name][:, :2, :2]) < 0 for name in ("matrix", "view"))
    mirrored = turned != stored
    batch = {**batch, "mirrored": mirrored, "label": batch["label"] + whales * mirrored}
    if "target" in batch:
        sides = jnp.stack([~mirrored, mirrored], axis=1)
        batch["target"] = (sides[:, :, None] * batch["target"][:, None]).reshape(len(mirrored), -1)
    return batch


def pairs(values: jax.Array, batch: Batch) -> jax.Array:
    """(2 B, ...) values of an evaluation -> (B, 2, ...): of each photo, and of its mirror image.

    A warp of test-time augmentation may have mirrored the photo; then its mirror image shows it as it is.
    """
    values = values.reshape(-1, 2, *values.shape[1:])
    exchanged = batch["mirrored"].reshape(-1, 2)[:, 0]
    return jnp.where(exchanged.reshape(-1, *[1] * (values.ndim - 1)), values[:, ::-1], values)
