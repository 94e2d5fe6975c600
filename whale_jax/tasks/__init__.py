"""The tasks that a config can name, each a function that returns a `Task`: see `tasks.task` for the contract."""

import inspect
from collections.abc import Mapping
from typing import Any

from whale_jax.runtime import registry
from whale_jax.tasks import arcface, bbox, classify, embed, keypoints, simclr, stn
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


def build(spec: Mapping[str, Any], *, size: tuple[int, int], classes: int = 2) -> Task:
    """The task that a config calls `task`.

    Args:
        spec: its name, and keyword arguments of the function of that name.
        size: (height, width) of the network's input, in pixels.
        classes: number of whales. Where only the fields of the task are read, any number will do.

    Raises:
        InputError: an unknown name or key, or a value that the task does not take.
    """
    parameters = inspect.signature(registry.lookup("task", TASKS, spec["name"])).parameters
    fixed = {"size": tuple(size), "classes": classes}
    return registry.build("task", TASKS, spec, **{key: value for key, value in fixed.items() if key in parameters})
