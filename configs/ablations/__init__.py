"""Ablations: a recipe, and what is changed in it, over seeds. Each is a pipeline whose last stage is the table.

The part after a config's colon is the folder of a finished pipeline; its photos, split and views are used.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from configs import classifier
from whale_jax.programs import stage

SEEDS = (0, 1, 2)


def inputs(root: str, view: str) -> dict[str, str]:
    """Photos, split and a view of the finished pipeline in `root`."""
    return {"photos": f"{root}/photos", "split": f"{root}/split", "view": f"{root}/{view}"}


def small(root: str, *, view: str = "aligned", size: tuple[int, int] = (64, 128), **changes: Any) -> ConfigDict:
    """The small classifier with fewer pixels and epochs: the least that still tells recipes apart."""
    plan = {"epochs": 20.0, "evaluations": 5}
    return classifier.get_config("small", inputs=inputs(root, view), size=size, **plan | changes)


def view(root: str, frame: str, size: tuple[int, int], predictions: str = "", **changes: Any) -> ConfigDict:
    """A view cut around what a stage of the finished pipeline predicted, or around the annotations."""
    there = {"photos": f"{root}/photos", "predictions": predictions and f"{root}/{predictions}"}
    return stage.config("align", inputs=there, frame=frame, size=size, **changes)


def ablate(
    base: ConfigDict,
    changes: Sequence[Mapping[str, Any]],
    *,
    seeds: Sequence[int] = SEEDS,
    views: Mapping[str, ConfigDict] | None = None,
) -> ConfigDict:
    """The pipeline that trains `base` with each of `changes` and each seed, and compares.

    Args:
        base: config of a training.
        changes: such as {"model.dropout": 0.5}; {"inputs.view": name} takes one of `views`.
        seeds: every change is trained with each.
        views: stages that cut the views which the finished pipeline lacks.
    """
    stages = dict(views or {})
    for number, change in enumerate(changes):
        for seed in seeds:
            own = base.copy_and_resolve_references()
            own.update_from_flattened_dict({**change, "seed": seed})
            stages[f"recipe{number}_seed{seed}"] = own
    trained = [name for name in stages if name not in (views or {})]
    stages["compare"] = stage.config("compare", inputs={name: name for name in trained})
    return stage.config("pipeline", stages=stages)
