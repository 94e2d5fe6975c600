"""Naming the whale (post, sections 4.1 to 4.3)."""

from functools import partial

import jax

from whale_jax import losses
from whale_jax.evaluation import metrics
from whale_jax.tasks import Batch, Outputs, Task, inputs


def classify(*, size, classes: int, augmentation: str = "", smoothing: float = 0.0, colour: bool = True) -> Task:
    """The task of naming the whale.

    Args:
        size: (height, width) of the network's input, in pixels.
        classes: number of whales.
        augmentation: specification for `inputs.parse`.
        smoothing: label smoothing, 0..1.
        colour: whether the network sees it.
    """
    prepare = partial(inputs.whales, augmentation=inputs.parse(augmentation), size=size, colour=colour)

    def loss(outputs: Outputs, batch: Batch) -> jax.Array:
        if "target" in batch:  # of photos whose label is a guess
            return losses.soft_cross_entropy(outputs[0], batch["target"], smoothing=smoothing)
        return losses.cross_entropy(outputs[0], batch["label"], smoothing=smoothing)

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        return {"logits": outputs[0], "features": outputs[1]["features"]}

    return Task(classes, prepare, loss, measure, predict, best="log_loss")


def measure(outputs: Outputs, batch: Batch) -> dict[str, metrics.Metric]:
    """Log loss and top-k of (B, whales) logits."""
    logits, label, weight = outputs[0], batch["label"], batch["weight"]
    return {
        "log_loss": metrics.masked(metrics.log_loss(logits, label, clip=metrics.KAGGLE_CLIP), weight),
        "log_loss_unclipped": metrics.masked(metrics.log_loss(logits, label), weight),
        "top1": metrics.masked(metrics.top_k(logits, label, 1), weight),
        "top5": metrics.masked(metrics.top_k(logits, label, 5), weight),
    }
