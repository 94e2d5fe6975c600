"""Ablations: a recipe, and what is changed in it, over seeds. Each is a pipeline whose last stage is the table.

The part after a config's colon is the folder of a finished pipeline; its photos, split and views are used.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from ml_collections import ConfigDict

from configs import classifier
from whale_jax.workflow import stage

SEEDS = (0, 1)


def inputs(root: str, view: str) -> dict[str, str]:
    """Photos and split of the finished pipeline in `root`, and a view: a stage of its, or of the ablation's."""
    return {"photos": f"{root}/photos", "split": f"{root}/split", "view": view}


def small(
    root: str,
    preset: str = "crops",
    *,
    of: ModuleType = classifier,
    view: str = "heads",
    size: tuple[int, int] = (40, 80),
    dropout: float = 0.0,
    **changes: Any,
) -> ConfigDict:
    """A preset, `of` a module of configs, with fewer pixels and epochs and no dropout: the least that tells much."""
    plan = {"epochs": 16.0, "num_evals": 4}
    config = of.get_config(preset, inputs=inputs(root, view), size=size, **plan | changes)
    config.model.dropout = dropout
    return config


def view(root: str, frame: str, size: tuple[int, int], predictions: str = "", **changes: Any) -> ConfigDict:
    """A view cut around what a stage predicted, of the ablation's or the folder of another, or around the annotations.

    It should have about a fifth more pixels a side than the network's input: resampling does not smooth.
    """
    there = {"photos": f"{root}/photos", "predictions": predictions}
    return stage.config("align", inputs=there, frame=frame, size=size, **changes)


def ablate(
    base: ConfigDict,
    changes: Mapping[str, Mapping[str, Any] | ConfigDict],
    *,
    seeds: Sequence[int] = SEEDS,
    views: Mapping[str, ConfigDict] | None = None,
    first: Mapping[str, ConfigDict] | None = None,
    ask: Sequence[tuple[str, Callable[[str], ConfigDict]]] = (),
    **compared: Any,
) -> ConfigDict:
    """The pipeline that trains `base` with each of `changes` and each seed, and compares.

    Args:
        base: config of a training.
        changes: by what the table calls them, such as {"no dropout": {"model.dropout": 0.0}}; {"inputs.view": name}
            takes one of `views`, and {"inputs.weights": label} what another change trained. Or a config, in the base's
            place.
        seeds: every change is trained with each, and all changes with the first before any with the next; but those
            that take one of `views` come last.
        views: stages that cut the views which the finished pipeline lacks, and others that come first.
        first: stages by name that changes begin with, such as {"inputs.weights": name}: each is made with every seed.
        ask: (name, stage before -> config) of what is done with each training; the last one is compared in its place.
        compared: what else `compare` is told.
    """
    stages, labels = {}, {}
    for seed in seeds:
        own = {name: f"seed{seed}_{name}" for name in first or {}}
        own |= {  # numbered, since folders are sorted by name
            label: f"seed{seed}_{number:02d}_{plain(label)}" for number, label in enumerate(changes)
        }
        for name, config in (first or {}).items():
            stages[own[name]] = seeded(config, {}, own=own, seed=seed)
        for label, change in changes.items():
            whole, changed = (change, {}) if isinstance(change, ConfigDict) else (base, change)
            last = name = own[label]
            stages[name] = seeded(whole, changed, own=own, seed=seed)
            for suffix, make in ask:
                stages[f"{name}_{suffix}"] = make(last)
                last = f"{name}_{suffix}"
            labels[last] = label
    compare = stage.config("compare", inputs={name: name for name in labels}, labels=labels, weights="last", **compared)
    return stage.config("pipeline", stages={**(views or {}), **stages, "compare": compare})


def plain(label: str) -> str:
    """What a table calls a row, as the name of a folder."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")


def seeded(config: ConfigDict, changed: Mapping[str, Any], *, own: Mapping[str, str], seed: int) -> ConfigDict:
    """A stage of one seed, with what is changed in it and those of its inputs that are made anew for each."""
    config = config.copy_and_resolve_references()
    config.update_from_flattened_dict(changed)
    if "seed" in config:
        config.seed = seed
    for key, name in config.inputs.items():
        config.inputs[key] = own.get(name, name)
    return config
