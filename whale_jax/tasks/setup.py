"""Which models go with which tasks."""

from collections.abc import Mapping
from typing import Any

from whale_jax.runtime import errors

SQUARED = "squared_error"  # what regressions of coordinates learn by unless the config says otherwise
COSINE_HEADS = ("cosine", "gem_cosine")  # of models.heads, whose outputs are cosines


def check(
    model: Mapping[str, Any],
    *,
    cosine: bool = False,
    transformer: bool = False,
    loss: str = SQUARED,
    bins: int = 0,
    **batches: Any,
) -> None:
    """Raises InputError where the outputs of a model do not mean what a task takes them for: see `Task.check_setup`.

    Args:
        model: a config's `model`.
        cosine: whether the task reads the cosines of one of COSINE_HEADS.
        transformer: whether it reads the matrix of the model "stn".
        loss, bins: of a task of coordinates, whose loss counts without bins alone: their cross entropy takes its place.
        **batches: batch, images_per_class and weights of the config, any of which will do.
    """
    for task, part, needed, present in (
        ("arcface", f"the head {' or '.join(map(repr, COSINE_HEADS))}", cosine, model.get("head") in COSINE_HEADS),
        ("stn", "the model 'stn'", transformer, model["name"] == "stn"),
    ):
        if needed != present:
            raise errors.InputError(f"the task {task!r} and {part} belong together: choose both or neither")
    if bins and loss != SQUARED:
        message = f"task.loss = {loss!r} counts with task.bins = 0 alone, of a network that gives coordinates"
        raise errors.InputError(f"{message}: choose one of both")
