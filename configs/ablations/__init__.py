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


def small(root: str) -> ConfigDict:
    """The small classifier on aligned heads with fewer pixels and epochs: the least that still tells recipes apart."""
    return classifier.get_config("small", inputs=inputs(root, "aligned"), size=(64, 128), epochs=20.0, evaluations=5)


def ablate(base: ConfigDict, changes: Sequence[Mapping[str, Any]], *, seeds: Sequence[int] = SEEDS) -> ConfigDict:
    """The pipeline that trains `base` with each of `changes` ({"model.dropout": 0.5}) and each seed, and compares."""
    stages = {}
    for number, change in enumerate(changes):
        for seed in seeds:
            own = base.copy_and_resolve_references()
            own.update_from_flattened_dict({**change, "seed": seed})
            stages[f"recipe{number}_seed{seed}"] = own
    stages["compare"] = stage.config("compare", inputs={name: name for name in stages})
    return stage.config("pipeline", stages=stages)
