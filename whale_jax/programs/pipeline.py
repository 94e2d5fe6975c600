"""Runs stages, each in a folder of its own, in the order that their inputs demand; an input is the name of a stage."""

import json
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from absl import logging
from ml_collections import ConfigDict

from whale_jax import errors
from whale_jax.programs import stage

DEFAULTS = {"data": {"root": ""}, "stages": {}}
GROWS = True  # stages may be added to a finished one; each of them refuses a folder of another config by itself


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Runs every stage of `config.stages` that is not complete yet, and returns what each one measured."""
    results = {}
    for number, name in enumerate(names := order(config.stages), start=1):
        logging.info("[%d/%d] %s", number, len(names), name)
        results[name] = stage.run(resolve(config.stages[name], config.stages, workdir), workdir / name)
    keep = ("seconds", "metrics", "training", "training_seconds", "images_per_second")
    return {
        "split": next((result["split"] for result in results.values() if result["split"]), None),
        "stages": {name: {key: result[key] for key in keep if key in result} for name, result in results.items()},
        "digest": stage.hash_of({name: result["digest"] for name, result in results.items()}),
    }


def check(config: ConfigDict) -> None:
    """Raises InputError for whatever is wrong in any stage's config, before the first one runs."""
    for name in order(config.stages):
        try:
            stage.check(config.stages[name])
        except errors.InputError as error:
            raise errors.InputError(f"stage {name}: {error}") from None


def order(stages: ConfigDict) -> list[str]:
    """Names of the stages, each after those whose names are its inputs."""
    graph = {name: [v for v in own.get("inputs", {}).values() if v in stages] for name, own in stages.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as e:
        raise errors.InputError(f"stages wait for each other: {' -> '.join(e.args[1])}") from None


def resolve(config: ConfigDict, stages: ConfigDict, workdir: Path) -> ConfigDict:
    """A copy of a stage's config with the names of other stages replaced by their folders."""
    own = ConfigDict(json.loads(config.to_json_best_effort()))
    for key, value in own.get("inputs", {}).items():
        if value in stages:
            own.inputs[key] = str(workdir / value)
    return own
