"""Finished stages, as a report reads them."""

import datetime
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from whale_jax.data.right_whale import Photos
from whale_jax.runtime import errors, storage
from whale_jax.workflow import json_files, provenance, renamed


class Stage(NamedTuple):
    """A finished stage: its folder, config.json and result.json."""

    folder: Path
    config: dict[str, Any]
    result: dict[str, Any]


def read(folder: str | Path) -> Stage:
    """The stage in a folder. One that is unfinished or damaged raises InputError."""
    folder = Path(folder)
    config, result = renamed.read_config(folder / "config.json"), provenance.read(folder)
    if config is None or result is None:
        raise errors.InputError(f"{folder} holds no finished stage (no config.json and result.json): run it first")
    return Stage(folder, config, result)


def read_within(run: Path, name: str | Path, *, digest: str = "") -> Stage:
    """The stage of a run that has this name or folder and, if given, this digest. Its inputs are looked for alike.

    A run that was moved, or that is read from another working folder, has its stages still: they are looked for in it,
    and outside where it has none of that name, or another than the one that was read.
    """
    if not run.is_dir():
        raise errors.InputError(f"there is no folder {run}: name that of a finished run")
    stage = read(_place(run, name, digest=digest))
    digests = stage.result.get("inputs", {})
    inputs = {
        key: str(_place(run, path, digest=digests.get(key, ""))) if path else ""
        for key, path in stage.config.get("inputs", {}).items()
    }
    return stage._replace(config={**stage.config, "inputs": inputs})


def read_in_run(folder: Path) -> Stage:
    """The stage in a folder of a run, or a network of a cross-fit in one, see `read_within`."""
    within = renamed.read_config(folder.parent / "config.json") or {}
    return read_within(folder.parents[within.get("program") == "crossfit"], folder)


def read_all(run: Path) -> list[Stage]:
    """The finished stages of a run, by name."""
    return [read_within(run, path.parent.name) for path in sorted(run.glob(f"*/{storage.RESULT}"))]


def trained_on(stage: Stage, photos: Photos) -> bool:
    """Whether a network was trained on the import of these very photos, wherever their folders are."""
    return stage.result.get("photos") == photos.digest


def ancestors(stages: Iterable[Stage], *, run: Path | None = None) -> list[Stage]:
    """These stages and all that they were made from, each after its inputs.

    Within a run, see `read_within`, the weights that a training began with are left out: it has seen them.
    """
    ordered: dict[Path, Stage] = {}

    def visit(stage: Stage) -> None:
        if stage.folder in ordered:
            return
        digests = stage.result.get("inputs", {})
        for key, path in stage.config.get("inputs", {}).items():
            if path and not (run and key == "weights"):
                visit(read_within(run, path, digest=digests.get(key, "")) if run else read(path))
        ordered[stage.folder] = stage

    for stage in stages:
        visit(stage)
    return list(ordered.values())


def metrics(stage: Stage, names: Iterable[str]) -> dict[str, float]:
    """The metrics called `names`. One that the stage has not measured raises InputError."""
    measured = stage.result.get("metrics") or {}
    if missing := [name for name in names if name not in measured]:
        raise errors.InputError(f"{stage.folder} has not measured {', '.join(missing)}: is it of the right task?")
    return {name: measured[name] for name in names}


def seconds(stage: Stage) -> float:
    """Seconds that a stage took. Of one that was cut off and went on, at least those of all its training."""
    return max(stage.result["seconds"], _training(stage)["seconds"])


def wall_clock(stages: Iterable[Stage]) -> float:
    """Seconds during which at least one of the stages was at work. A pause between two of them does not count."""
    total, until = 0.0, -math.inf
    for start, end in sorted((_end(stage) - seconds(stage), _end(stage)) for stage in stages):
        total += max(0.0, end - max(start, until))
        until = max(end, until)
    return total


def weights(stage: Stage, stages: Iterable[Stage]) -> str:
    """Which weights of a training are used: those that an `extract` among the stages takes, or its own choice."""
    chosen = [
        other.config["weights"]
        for other in stages
        if other.result["program"] == "extract" and Path(other.config["inputs"]["network"]) == stage.folder
    ]
    return chosen[0] if chosen else stage.config.get("weights", "best")


def effort(stage: Stage) -> dict[str, Any]:
    """What a training took: pixels of the input, seconds, images/s, and the steps where it is of one network."""
    height, width = stage.config["size"]
    training = _training(stage)
    steps = {"steps": stage.result["steps"]} if "steps" in stage.result else {}
    return {
        "pixels": f"{height}x{width}",
        **steps,
        "train_seconds": training["seconds"],
        "images_per_second": training["images_per_second"],
    }


def _place(run: Path, name: str | Path, *, digest: str = "") -> Path:
    """The folder of a stage: within the run, or where `name` says; where both are one, that of the digest."""
    inside, outside = run / Path(name).name, Path(name)
    if not (inside.is_dir() and outside.is_dir()):
        return outside if outside.is_dir() else inside
    elsewhere = digest and _digest(outside) == digest != _digest(inside)
    return outside if elsewhere else inside


def _digest(folder: Path) -> str:
    return (json_files.read(folder / storage.RESULT) or {}).get("digest", "")


def _end(stage: Stage) -> float:
    """When a stage ended, in seconds since 1970."""
    return datetime.datetime.fromisoformat(stage.result["ended"]).timestamp()


def _training(stage: Stage) -> dict[str, float]:
    """Seconds and images/s of training, of one network or of all networks of a cross-fit."""
    result = stage.result
    total = {"seconds": result.get("training_seconds", 0), "images_per_second": result.get("images_per_second", 0)}
    return total | result.get("training", {})
