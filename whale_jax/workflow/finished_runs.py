"""Reading stages that are done: what a report is made from."""

import datetime
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from whale_jax.data.right_whale import Photos
from whale_jax.runtime import errors
from whale_jax.workflow import provenance, renamed


class Stage(NamedTuple):
    """A stage that is done: its folder, config.json and result.json."""

    folder: Path
    config: dict[str, Any]
    result: dict[str, Any]


def read(folder: str | Path) -> Stage:
    """The stage in a folder. One that is not done or damaged raises InputError."""
    folder = Path(folder)
    config, result = renamed.read_config(folder / "config.json"), provenance.read(folder)
    if config is None or result is None:
        raise errors.InputError(f"{folder} holds no finished stage (no config.json and result.json): run it first")
    return Stage(folder, config, result)


def made_from(one: Stage, photos: Photos) -> bool:
    """Whether a network was trained on the import of these very photos, wherever they lay and lie."""
    return one.result.get("photos") == photos.digest


def ancestors(stages: Iterable[Stage]) -> list[Stage]:
    """These stages and all that they were made from, each after those."""
    found: dict[Path, Stage] = {}

    def visit(one: Stage) -> None:
        if one.folder not in found:
            for path in one.config.get("inputs", {}).values():
                if path:
                    visit(read(path))
            found[one.folder] = one

    for one in stages:
        visit(one)
    return list(found.values())


def measured(one: Stage, names: Iterable[str]) -> dict[str, float]:
    """The metrics called `names`; one that the stage has not measured raises InputError."""
    there = one.result.get("metrics") or {}
    if missing := [name for name in names if name not in there]:
        raise errors.InputError(f"{one.folder} has not measured {', '.join(missing)}: is it of the task wanted here?")
    return {name: there[name] for name in names}


def spent(one: Stage) -> float:
    """Seconds that a stage took; of one that was cut off and went on, at least all of its training."""
    return max(one.result["seconds"], _training(one)["seconds"])


def by_the_clock(stages: Iterable[Stage]) -> float:
    """Seconds during which one or more of the stages were at work; a pause between two of them does not count."""
    total, until = 0.0, -math.inf
    for start, end in sorted((_end(one) - spent(one), _end(one)) for one in stages):
        total += max(0.0, end - max(start, until))
        until = max(end, until)
    return total


def weights(one: Stage, stages: Iterable[Stage]) -> str:
    """Which weights of a training are used: those that an `extract` among the stages takes, else its own choice."""
    taken = [
        other.config["weights"]
        for other in stages
        if other.result["program"] == "extract" and Path(other.config["inputs"]["network"]) == one.folder
    ]
    return taken[0] if taken else one.config.get("weights", "best")


def effort(one: Stage) -> dict[str, Any]:
    """What a network was trained with: pixels of its input, seconds, images/s, and its steps where it is one."""
    height, width = one.config["size"]
    training = _training(one)
    steps = {"steps": one.result["steps"]} if "steps" in one.result else {}
    return {
        "pixels": f"{height}x{width}",
        **steps,
        "train_seconds": training["seconds"],
        "images_per_second": training["images_per_second"],
    }


def _end(one: Stage) -> float:
    """When a stage ended, in seconds since 1970."""
    return datetime.datetime.fromisoformat(one.result["ended"]).timestamp()


def _training(one: Stage) -> dict[str, float]:
    """Seconds and images/s of training, of one network or of all parts of a cross-fit."""
    result = one.result
    both = {"seconds": result.get("training_seconds", 0), "images_per_second": result.get("images_per_second", 0)}
    return both | result.get("training", {})
