"""Runs stages, each in a folder of its own, in the order that their inputs demand; an input is the name of a stage."""

import json
import time
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from whale_jax.data import shards
from whale_jax.experiment import build
from whale_jax.runtime import errors, hosts, progress
from whale_jax.workflow import json_files, pool, provenance, stage
from whale_jax.workflow.program import Program, find

DEFAULTS = {
    "data": {"root": ""},
    "stages": {},
    "processes": 1,  # stages at once, at most: each with a GPU, or with its share of the cores
}
# Of each annotation, how an import calls the number of photos that have it, and the columns that give it.
COUNTED = {
    "label": ("labelled", "whaleID"),
    "box": ("with_box", "x, y, width and height"),
    "points": ("with_points", "bonnet_x, bonnet_y, blowhead_x and blowhead_y"),
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Runs every stage of `config.stages` that is not complete yet, and returns what each one measured."""
    if hosts.count() > 1 and config.processes > 1:
        raise errors.InputError("config.processes is of one host: leave it 1 where several do each stage together")
    names, waiting, ready, results = order(config.stages), sorter(config.stages), [], {}
    waiting.prepare()
    began = time.perf_counter()
    with pool.Pool(config.processes) as running:
        while waiting.is_active():
            ready += waiting.get_ready()
            while ready and running.free():
                name = ready.pop(0)
                passed = f" after {progress.duration(time.perf_counter() - began)}" if results else ""
                title = f"[{names.index(name) + 1}/{len(names)}] {name}{passed}"
                running.start(name, resolve(config.stages[name], config.stages, workdir), workdir / name, title=title)
            for name, result in running.finished():
                results[name] = result
                enough(config.stages, config.stages[name].program, result)
                waiting.done(name)
    keep = ("seconds", "metrics", "training", "training_seconds", "images_per_second")
    results = {name: results[name] for name in names}
    return {
        "device": ", ".join(sorted({result["device"] for result in results.values()})),
        "split": next((result["split"] for result in results.values() if result["split"]), None),
        "stages": {name: {key: result[key] for key in keep if key in result} for name, result in results.items()},
        "digest": _digest(results),
    }


def digest(config: ConfigDict, workdir: Path) -> str | None:
    """The digest that `run` would return, None where a stage is left to do."""
    results = {name: provenance.read(workdir / name) for name in order(config.stages)}
    return _digest(results) if all(results.values()) else None


def revisit(config: ConfigDict, workdir: Path) -> None:
    """Looks at every stage again: some say what has changed since they were done."""
    for name in order(config.stages):
        stage.run(resolve(config.stages[name], config.stages, workdir), workdir / name)


def shard(config: ConfigDict, workdir: Path, own: shards.Shard) -> None:
    """Does one shard of each stage that is done in shards, has all of its inputs, and is not complete.

    Raises InputError where there is none.
    """
    done = {name for name in config.stages if (workdir / name / "result.json").exists()}
    ready = [name for name in order(config.stages) if name not in done and done.issuperset(needs(config.stages, name))]
    dealt_out = [name for name in ready if find(config.stages[name].program).shard]
    if ready and not dealt_out:
        raise errors.InputError(f"next is {' and '.join(ready)}, not done in shards: run {workdir} without --shard")
    for name in dealt_out:
        stage.run_shard(resolve(config.stages[name], config.stages, workdir), workdir / name, own)


def claim(config: ConfigDict, workdir: Path) -> None:
    """Raises InputError where the folder of a stage belongs to another config. A finished run may get more stages."""
    for name, own in config.stages.items():
        stage.claim(resolve(own, config.stages, workdir), workdir / name)


def check(config: ConfigDict) -> None:
    """Raises InputError for whatever is wrong in any stage's config, before the first one runs."""
    for name in order(config.stages):
        own = config.stages[name]
        try:
            stage.check(own)
            if "task" in own and own.inputs.view in config.stages:
                build.expect_sharp(own, config.stages[own.inputs.view].size)
        except errors.InputError as error:
            raise errors.InputError(f"stage {name}: {error}") from None


def enough(stages: ConfigDict, program: str, found: dict[str, Any]) -> None:
    """Raises InputError where an import, or a split, leaves a later stage nothing to work on."""
    for name, own in stages.items():
        if program == "import_photos" and "task" in own and (learned := build.ANNOTATION[own.task.name]):
            counted, columns = COUNTED[learned]
            if not found[counted] or (counted == "labelled" and found["whales"] < 2):
                least = "of two whales" if counted == "labelled" else counted.replace("_", " ")
                raise errors.InputError(
                    f"stage {name} learns from photos {least}, and there are none: fill in {columns} in a table beside"
                    " the photos, such as train.csv"
                )
        held_out_groups = dict(enumerate(found.get("held_out_groups", ())))  # a fold of -1 holds out none
        if program == "split" and own.program == "calibrate" and held_out_groups.get(own.fold, 0) < 2:
            raise errors.InputError(
                f"stage {name} needs photos of two sightings to be held out with fold {own.fold}, of whales that others"
                " show too: add photos of such whales from other days, or set the split's group to 'none'"
            )


def _digest(results: Mapping[str, Mapping[str, Any]]) -> str:
    return json_files.hash_of({name: result["digest"] for name, result in results.items()})


def order(stages: ConfigDict) -> list[str]:
    """Names of the stages, each after those whose names are its inputs."""
    try:
        return list(sorter(stages).static_order())
    except CycleError as e:
        raise errors.InputError(f"stages wait for each other: {' -> '.join(e.args[1])}") from None


def sorter(stages: ConfigDict) -> TopologicalSorter:
    """Which stages wait for which: for those whose names are their inputs."""
    return TopologicalSorter({name: needs(stages, name) for name in stages})


def needs(stages: ConfigDict, name: str) -> list[str]:
    """The stages that are inputs of one."""
    return [value for value in stages[name].get("inputs", {}).values() if value in stages]


def resolve(config: ConfigDict, stages: ConfigDict, workdir: Path) -> ConfigDict:
    """A copy of a stage's config with the names of other stages replaced by their folders."""
    own = ConfigDict(json.loads(config.to_json_best_effort()))
    for key, value in own.get("inputs", {}).items():
        if value in stages:
            own.inputs[key] = str(workdir / value)
    return own


PROGRAM = Program(DEFAULTS, run, check=check, revisit=revisit, shard=shard, together=True, claim=claim, digest=digest)
