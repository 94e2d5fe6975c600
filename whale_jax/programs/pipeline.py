"""Runs stages, each in its own folder, in the order that their inputs demand. An input is the name of a stage."""

import json
import time
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from whale_jax.data.shards import Shard
from whale_jax.experiment import dataset, rows
from whale_jax.runtime import errors, hosts, progress
from whale_jax.workflow import json_files, pool, provenance, stage
from whale_jax.workflow.program import Program, find

DEFAULTS = {
    "data": {"root": ""},
    "gallery": "",  # a folder of labelled photos, where a config lets them join those of the root
    "stages": {},
    "processes": 1,  # stages at once, at most: each with a GPU, or with its share of the cores
}
RECORDED = ("seconds", "metrics", "training", "training_seconds", "images_per_second")  # of each stage's result
# annotation -> the name that an import gives to the number of photos with it, and the columns that hold it
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
    start = time.perf_counter()
    with pool.Pool(config.processes) as running:
        while waiting.is_active():
            ready += waiting.get_ready()
            while ready and running.free():
                name = ready.pop(0)
                elapsed = f" after {progress.duration(time.perf_counter() - start)}" if results else ""
                title = f"[{names.index(name) + 1}/{len(names)}] {name}{elapsed}"
                settings = resolve(config, name, workdir=workdir)
                running.start(name, settings, workdir=workdir / name, title=title, last_ready=not ready)
            for name, result in running.finished():
                results[name] = result
                check_data(config.stages, config.stages[name].program, result=result)
                waiting.done(name)
    results = {name: results[name] for name in names}
    return {
        "device": ", ".join(sorted({result["device"] for result in results.values()})),
        "split": next((result["split"] for result in results.values() if result["split"]), None),
        "stages": {name: {key: result[key] for key in RECORDED if key in result} for name, result in results.items()},
        "digest": _digest(results),
    }


def digest(config: ConfigDict, workdir: Path) -> str | None:
    """The digest that `run` would return, None where a stage is left to do."""
    results = {name: provenance.read(workdir / name) for name in order(config.stages)}
    return _digest(results) if all(results.values()) else None


def revisit(config: ConfigDict, workdir: Path) -> None:
    """Revisits every stage: some report what has changed since they were done."""
    for name in order(config.stages):
        stage.run(resolve(config, name, workdir=workdir), workdir / name)


def shard(config: ConfigDict, workdir: Path, shard: Shard) -> None:
    """Does one shard of each stage that is done in shards, has all of its inputs, and is not complete.

    Raises InputError where no such stage is next.
    """
    complete = {name for name in config.stages if (workdir / name / "result.json").exists()}
    missing = [name for name in order(config.stages) if name not in complete]
    ready = [name for name in missing if complete.issuperset(needs(config.stages, name))]
    dealt_out = [name for name in ready if find(config.stages[name].program).shard]
    if ready and not dealt_out:
        raise errors.InputError(f"next is {' and '.join(ready)}, not done in shards: run {workdir} without --shard")
    for name in dealt_out:
        stage.run_shard(resolve(config, name, workdir=workdir), workdir / name, shard=shard)


def claim(config: ConfigDict, workdir: Path) -> None:
    """Raises InputError where the folder of a stage belongs to another config. A finished run may get more stages."""
    for name in config.stages:
        stage.claim(resolve(config, name, workdir=workdir), workdir / name)


def check(config: ConfigDict) -> None:
    """Raises InputError for whatever is wrong in any stage's config, before the first one runs.

    It is the first to ask JAX for devices, so it sees to it that those of other processes are spared.
    """
    pool.spare_gpus(config.processes)
    imports = [settings for settings in config.stages.values() if settings.program == "import_photos"]
    for flag, folder in (("data.root", config.get("data", {}).get("root")), ("gallery", config.get("gallery"))):
        if folder and folder not in [settings.get(flag.rpartition(".")[2]) for settings in imports]:
            raise errors.InputError(f"--config.{flag}={folder}: no stage of this config reads it: leave it out")
    for name in order(config.stages):
        settings = config.stages[name]
        try:
            stage.check(settings)
            if "task" in settings and settings.inputs.view in config.stages:
                view = config.stages[settings.inputs.view]
                dataset.expect_sharp(view.size, training=settings, tta=settings.get("tta"))
        except errors.InputError as error:
            raise errors.InputError(f"stage {name}: {error}") from None


def check_data(stages: ConfigDict, program: str, *, result: dict[str, Any]) -> None:
    """Raises InputError where the result of an import, or of a split, leaves a later stage nothing to work on."""
    for name, settings in stages.items():
        if program == "import_photos" and "task" in settings and (learned := rows.annotation_of(settings)):
            counted, columns = COUNTED[learned]
            if not result[counted] or (counted == "labelled" and result["whales"] < 2):
                least = "of two whales" if counted == "labelled" else counted.replace("_", " ")
                raise errors.InputError(
                    f"stage {name} learns from photos {least}, and there are none: fill in {columns} in a table beside"
                    " the photos, such as train.csv, or lay the export of a tool there: see docs/your_photos.md"
                )
        held_out_groups = dict(enumerate(result.get("held_out_groups", ())))  # a fold of -1 holds out none
        if program == "split" and settings.program == "calibrate" and held_out_groups.get(settings.fold, 0) < 2:
            raise errors.InputError(
                f"stage {name} needs photos of two sightings to be held out with fold {settings.fold}, of whales that"
                " others show too: add photos of such whales from other days. The split's group 'none' needs none, but"
                " puts photos of a burst on both sides, and the figures are too good"
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
    """The graph of stages: each waits for the stages whose names are its inputs."""
    return TopologicalSorter({name: needs(stages, name) for name in stages})


def needs(stages: ConfigDict, name: str) -> list[str]:
    """The stages whose results are inputs of the stage `name`, in the order of the inputs."""
    return [value for value in stages[name].get("inputs", {}).values() if value in stages]


def resolve(config: ConfigDict, name: str, *, workdir: Path) -> ConfigDict:
    """A copy of the config of the stage `name`, with folders in `workdir` in place of the names of other stages."""
    settings = ConfigDict(json.loads(config.stages[name].to_json_best_effort()))
    for key, value in settings.get("inputs", {}).items():
        if value in config.stages:
            settings.inputs[key] = str(workdir / value)
    return settings


PROGRAM = Program(DEFAULTS, run, check=check, revisit=revisit, shard=shard, together=True, claim=claim, digest=digest)
