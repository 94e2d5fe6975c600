"""Ablations: a recipe and changes in it, each trained with several seeds. Each is a pipeline that ends in a table.

The part after a config's colon is the folder of a finished pipeline; the ablation takes its photos, split and views.
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
    """Photos and split of the finished pipeline in `root`, and a view: a stage of that pipeline or of the ablation."""
    return {"photos": f"{root}/photos", "split": f"{root}/split", "view": view}


def small(
    root: str,
    preset: str = "crops",
    *,
    module: ModuleType = classifier,
    view: str = "heads",
    size: tuple[int, int] = (40, 80),
    dropout: float = 0.0,
    **changes: Any,
) -> ConfigDict:
    """A preset of a config with few pixels and epochs and no dropout: the least that still tells recipes apart."""
    plan = {"epochs": 16.0, "num_evals": 4}
    config = module.get_config(preset, inputs=inputs(root, view), size=size, **plan | changes)
    config.model.dropout = dropout
    return config


def view(root: str, frame: str, size: tuple[int, int], predictions: str = "", **changes: Any) -> ConfigDict:
    """A view cut around predictions, or without them around the annotations.

    Args:
        root: the finished pipeline, whose photos are cut.
        frame, size: of the view; a fifth more pixels a side than the network's input, since resampling does not smooth.
        predictions: a stage of the ablation, or the folder of another run.
    """
    sources = {"photos": f"{root}/photos", "predictions": predictions}
    return stage.config("align", inputs=sources, frame=frame, size=size, **changes)


def ablate(
    base: ConfigDict,
    changes: Mapping[str, Mapping[str, Any] | ConfigDict],
    *,
    seeds: Sequence[int] = SEEDS,
    views: Mapping[str, ConfigDict] | None = None,
    first: Mapping[str, ConfigDict] | None = None,
    then: Sequence[tuple[str, Callable[[str], ConfigDict]]] = (),
    compare_trainings: bool = False,
    **comparison: Any,
) -> ConfigDict:
    """The pipeline that trains `base` with each of `changes` and each seed, and compares the results.

    Args:
        base: config of a training.
        changes: label of a row -> keys it changes, such as {"no dropout": {"model.dropout": 0.0}}, or a config that
            replaces the base. "inputs.view" may name one of `views`, and "inputs.weights" the label of another row.
        seeds: every row is trained with each of them.
        views: stages that every seed shares, such as views that the finished pipeline lacks.
        first: stages that are made with every seed before the rows, which name them as inputs.
        then: (suffix, name of the stage before -> config) of what follows each training; the last one is compared.
        compare_trainings: compare the trainings too, in a table of their own.
        comparison: further keys of `compare`.
    """
    stages, labels, trainings = {}, {}, {}
    for seed in seeds:
        names = {name: f"seed{seed}_{name}" for name in first or {}}
        names |= {  # numbered, since folders are sorted by name
            label: f"seed{seed}_{number:02d}_{slug(label)}" for number, label in enumerate(changes)
        }
        for name, config in (first or {}).items():
            stages[names[name]] = placed(config, names, seed=seed)
        for label, change in changes.items():
            config = (change if isinstance(change, ConfigDict) else base).copy_and_resolve_references()
            config.update_from_flattened_dict({} if isinstance(change, ConfigDict) else change)
            last = names[label]
            trainings[last] = label
            stages[last] = placed(config, names, seed=seed)
            for suffix, make in then:
                previous, last = last, f"{names[label]}_{suffix}"
                stages[last] = make(previous)
            labels[last] = label
    tables = {"compare_trainings": trainings} if compare_trainings else {}
    tables = {
        name: stage.config("compare", inputs={run: run for run in rows}, labels=rows, weights="last", **comparison)
        for name, rows in {**tables, "compare": labels}.items()
    }
    return stage.config("pipeline", stages={**(views or {}), **stages, **tables})


def search(**data: str) -> tuple[tuple[str, Callable[[str], ConfigDict]], ...]:
    """What follows each training: its features, and the photos most alike by them. `data`: photos and split."""
    return (
        ("features", lambda network: stage.config("extract", inputs={"network": network}, weights="last")),
        ("search", lambda features: stage.config("retrieve", inputs={**data, "features": features})),
    )


def slug(label: str) -> str:
    """The label of a row as the name of a folder."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")


def placed(config: ConfigDict, names: Mapping[str, str], **repeat: int) -> ConfigDict:
    """A stage whose inputs have the names that `names` gives them, if any, with its seed or its fold set."""
    config = config.copy_and_resolve_references()
    config.update({key: value for key, value in repeat.items() if key in config})
    for key, name in config.inputs.items():
        config.inputs[key] = names.get(name, name)
    return config
