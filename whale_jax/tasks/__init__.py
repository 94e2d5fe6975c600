"""What is learned: each task is a value, a NamedTuple of pure functions.

    prepare(key, batch, train) -> batch     augments on the device and makes the targets
    loss(outputs, batch)       -> (B,)      unreduced; `batch["weight"]` says what each is worth
    metrics(outputs, batch)    -> {name: (sum, count)}
    predict(outputs, batch)    -> {name: array}, points and boxes in pixels of the original photo

`outputs` is what a model returns, (y, out).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

Batch = dict[str, jax.Array]
Outputs = tuple[jax.Array, dict[str, Any]]


class Task(NamedTuple):
    """A task.

    Attributes:
        outputs: length of the model's output y.
        prepare, loss, metrics, predict: see the module.
        best: the metric that chooses the best checkpoint.
        maximise: whether more of it is better.
        compared: whether loss and metrics compare the pictures of the whole batch: batch["everybody"] has embedding,
            label, index and weight of all of them. They are of a training batch, then; an evaluation compares all
            photos, by other means.
    """

    outputs: int
    prepare: Callable[[jax.Array, Batch, bool], Batch]
    loss: Callable[[Outputs, Batch], jax.Array]
    metrics: Callable[[Outputs, Batch], dict[str, tuple[jax.Array, jax.Array]]]
    predict: Callable[[Outputs, Batch], dict[str, jax.Array]]
    best: str
    maximise: bool = False
    compared: bool = False
