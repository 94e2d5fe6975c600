"""The contract of a task: what a network learns, as one value of pure functions.

Whoever adds a task writes a function that returns a `Task`, in a file of its own, and names it in TASKS, or calls
`tasks.register(name, function)`. Nothing else in the package asks for the task's name:

    def brightness(*, size, augmentation: str = "") -> Task:
        ...
        return Task(1, prepare, loss, metrics, predict, best="error")

    tasks.register("brightness", brightness)   # then: config.task.name = "brightness"

The function's keyword arguments are the keys of `config.task`. It is given `size`, the (height, width) of the network's
input, and, if it has arguments of these names, `classes`, the number of whales, and `normalise`, what the model wants
done to pictures (tasks/inputs.py). A program builds a task with two classes where it only reads its fields, before
there is any data.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from whale_jax.evaluation.metrics import Metric

Batch = dict[str, jax.Array]
Outputs = tuple[jax.Array, dict[str, Any]]  # (y, out), what a model returns
Predictions = Mapping[str, np.ndarray]


class Photos(Protocol):
    """What a task may read of the N photos: see `data.right_whale.Photos`."""

    label: np.ndarray
    points: np.ndarray
    box: np.ndarray
    whales: tuple[str, ...]


def no_score(predictions: Predictions, photos: Photos, *, rows: np.ndarray) -> dict[str, float]:
    """The score of a task that measures batch by batch alone, whatever the (n,) rows are."""
    return {}


def any_photos(photos: Photos, rows: np.ndarray) -> None:
    """The check of a task that can learn from any (n,) rows of photos with its annotation."""


def any_setup(model: Mapping[str, Any], *, batch: int, images_per_class: int, weights: str) -> None:
    """The check of a task that learns with any model, from any batches."""


class Task(NamedTuple):
    """A task. B is the number of examples in a batch, N of all photos.

    Attributes:
        outputs: length of the model's output y.
        prepare: (key, batch, train) -> batch. It augments on the device and makes the targets. The result has image
            (B, height, width, 3) and weight (B,): 0 for padding rows and for what has no annotation.
        loss: (outputs, batch) -> (B,), unreduced. A row counts by its weight.
        metrics: (outputs, batch) -> {name: (sum, count)}, in an evaluation; of a pairwise task in training instead, for
            evaluations of it `score`. Sums over batches and devices are added, so padding rows must count nothing.
        predict: (outputs, batch) -> {name: (B, ...)}, points and boxes in pixels of the original photo. A task that
            names whales predicts "logits".
        best: the metric of an evaluation that chooses the best checkpoint.
        maximise: whether more of it is better.
        annotation: what a photo must have to be learned from: "label", "box", "points", or "" for nothing.
        names_whales: whether the outputs are whales. Then the training writes their names, and calibrates.
        soft_labels: whether `loss` reads batch["target"], (B, whales) probabilities, where labels were guessed.
        pairwise: whether loss and metrics compare the pictures of the whole batch. Then batch["gallery"] has
            embedding, label, index and weight of all of them in training, and an evaluation predicts the photos that
            were trained on too, and takes its metrics from `score`.
        score: (predictions, photos, *, rows) -> {name: value}, the metrics that need all rows at once. Predictions are
            (N, ...), NaN where there is none; the (n,) `rows` are measured, of a pairwise task against all others.
        check: (photos, rows) -> None. Raises InputError where the task cannot learn from the photos of the (n,) `rows`.
        check_setup: (model, *, batch, images_per_class, weights) -> None. Raises InputError where a config's model, its
            batches or its initial weights do not suit the task.
    """

    outputs: int
    prepare: Callable[[jax.Array, Batch, bool], Batch]
    loss: Callable[[Outputs, Batch], jax.Array]
    metrics: Callable[[Outputs, Batch], dict[str, Metric]]
    predict: Callable[[Outputs, Batch], dict[str, jax.Array]]
    best: str
    maximise: bool = False
    annotation: str = ""
    names_whales: bool = False
    soft_labels: bool = False
    pairwise: bool = False
    score: Callable[..., dict[str, float]] = no_score
    check: Callable[[Photos, np.ndarray], None] = any_photos
    check_setup: Callable[..., None] = any_setup
