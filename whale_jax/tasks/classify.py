"""Naming the whale (post, sections 4.1 to 4.3)."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import numpy as np

from whale_jax import losses
from whale_jax.evaluation import metrics
from whale_jax.runtime import registry
from whale_jax.tasks import inputs, mirror, setup
from whale_jax.tasks.task import Batch, Metric, Outputs, Photos, Predictions, Task

METRICS = ("log_loss", "log_loss_unclipped", "top1", "top5")


def classify(
    *,
    size,
    classes: int,
    loss: str = "cross_entropy",
    metrics: Sequence[str] = METRICS,
    augmentation: str = "",
    smoothing: float = 0.0,
    colour: bool = True,
    mirrored: bool = False,
    normalise: inputs.Normalise = inputs.picture,
) -> Task:
    """The task of naming the whale.

    Args:
        size: (height, width) of the network's input, in pixels.
        classes: number of whales.
        loss: one of losses.LOSSES that reads logits and label.
        metrics: some of evaluation.metrics.METRICS that do so too.
        augmentation: specification for `inputs.parse`.
        smoothing: label smoothing, 0..1.
        colour: whether the network sees it.
        mirrored: whether the mirror images of heads are whales of their own: see `mirror.paired`.
        normalise: one of inputs.NORMALISATIONS, which the model chooses.
    """
    options = {"smoothing": smoothing} if smoothing else {}
    cost = registry.function("loss", losses.LOSSES, loss, reads=("logits", "label"), **options)
    soft_labels = loss == "cross_entropy"

    def loss_of(outputs: Outputs, batch: Batch) -> jax.Array:
        if soft_labels and "target" in batch:  # some labels were guessed
            return losses.soft_cross_entropy(outputs[0], batch["target"], smoothing=smoothing)
        return cost(outputs[0], batch["label"])

    def predict(outputs: Outputs, batch: Batch) -> dict[str, jax.Array]:
        return {"logits": outputs[0], "features": outputs[1]["features"]}

    task = Task(
        outputs=2 * classes if mirrored else classes,
        prepare=partial(inputs.whales, **inputs.options(augmentation, size=size, normalise=normalise), colour=colour),
        loss=loss_of,
        metrics=measures(metrics),
        predict=predict,
        best="log_loss",
        annotation="label",
        names_whales=True,
        soft_labels=soft_labels,
        score=partial(score, names=metrics),
        check_setup=setup.check,
    )
    return mirror.paired(task, whales=classes, augmentation=augmentation, measure=task.metrics) if mirrored else task


def measures(names: Sequence[str]) -> Callable[[Outputs, Batch], dict[str, Metric]]:
    """The metrics of those names, of (B, whales) logits."""
    functions = metrics.select(names, annotation="label", best="log_loss")

    def measure(outputs: Outputs, batch: Batch) -> dict[str, Metric]:
        return metrics.measure(functions, outputs[0], truth=batch["label"], mask=batch["weight"])

    return measure


def score(
    predictions: Predictions, photos: Photos, *, rows: np.ndarray, names: Sequence[str] = METRICS
) -> dict[str, float]:
    """The metrics of those names, over those of the (n,) rows that have (N, whales) logits; {} where none has."""
    rows = rows[np.isfinite(predictions["logits"][rows]).all(1)]
    if not len(rows):
        return {}
    logits, label = predictions["logits"][rows].astype(np.float32), photos.label[rows]
    functions = metrics.select(names, annotation="label")
    functions.pop("log_loss_unclipped", None)  # shows in a training what Kaggle's bound hides
    return {name: float(function(logits, label).mean()) for name, function in functions.items()}
