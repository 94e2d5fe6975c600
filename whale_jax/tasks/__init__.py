"""The tasks that a config can name, each a function that returns a `Task`: see `tasks.task` for the contract."""

import inspect
from collections.abc import Mapping
from typing import Any

from whale_jax.runtime import errors, registry
from whale_jax.tasks import arcface, bbox, classify, embed, inputs, keypoints, simclr, stn
from whale_jax.tasks.task import Batch, Outputs, Task

__all__ = ["TASKS", "Batch", "Outputs", "Task", "build", "register"]

TASKS = registry.Registry(
    "task",
    classify=classify.classify,
    arcface=arcface.arcface,
    stn=stn.stn,
    embed=embed.embed,
    simclr=simclr.simclr,
    bbox=bbox.bbox,
    keypoints=keypoints.keypoints,
)
register = TASKS.register


def build(
    spec: Mapping[str, Any], *, size: tuple[int, int], classes: int = 2, normalise: inputs.Normalise = inputs.picture
) -> Task:
    """The task that a config calls `task`.

    Args:
        spec: its name, and keyword arguments of the function of that name.
        size: (height, width) of the network's input, in pixels.
        classes: number of whales. Where only the fields of the task are read, any number will do.
        normalise: one of inputs.NORMALISATIONS, which the model chooses.

    Raises:
        InputError: an unknown name or key, a value that the task does not take, or a normalisation that it cannot do.
    """
    parameters = inspect.signature(registry.lookup("task", TASKS, spec["name"])).parameters
    if normalise is not inputs.picture and "normalise" not in parameters:
        message = "has no argument 'normalise', and this model wants pictures normalised in a way of its own"
        raise errors.InputError(f"the task {spec['name']!r} {message}: add one, as in docs/extending.md")
    fixed = {"size": tuple(size), "classes": classes, "normalise": normalise}
    return registry.build("task", TASKS, spec, **{key: value for key, value in fixed.items() if key in parameters})
