"""Which photos a training sees, and which it is validated on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from whale_jax.data import right_whale, splits
from whale_jax.experiment import build
from whale_jax.experiment.dataset import Data
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs, json_files
from whale_jax.workflow.finished_runs import Stage


class Holdout(NamedTuple):
    """What a training leaves out.

    Attributes:
        fold: of the split; -1 is none.
        subfold: of `num_subfolds` into which all other photos are cut, which is validated on in place of the fold.
        num_subfolds: 0 where the photos are not cut.
    """

    fold: int
    subfold: int = 0
    num_subfolds: int = 0


def holdout_of(config: Mapping[str, Any]) -> Holdout:
    """What the config of a training leaves out."""
    return Holdout(config["fold"], config["subfold"], config["num_subfolds"])


def annotation_of(config: Mapping[str, Any]) -> str:
    """What a photo must have for the task of a config to learn from it."""
    return build.task_of(config).annotation


def warn_of_names(training: Stage, names: np.ndarray) -> None:
    """Points at (n,) names of photos that errors are measured on, and that a training on other photos has as well."""
    shared = np.intersect1d(splits.names(Path(training.config["inputs"]["split"])), names)
    if len(shared):
        message = (
            f"{len(shared):,} photos, such as {shared[0]}, have names of photos that {training.folder} was made from"
        )
        logging.warning("%s: if they are the same, errors measured on them flatter", message)


def choose(data: Data, *, annotation: str, holdout: Holdout) -> tuple[np.ndarray, np.ndarray]:
    """(n,) rows to train on and (m,) rows to validate on: those of the split that have the annotation and a picture.

    A task that needs no annotation learns from every picture but those of unknown whales, and from those held out,
    whose names it does not see; it is validated on none.
    """
    if not annotation:
        return np.setdiff1d(np.flatnonzero(data.view.pictured), splits.unknown_rows(data.split)), np.arange(0)
    groups = data.split.group.max() + 1
    if not (holdout.num_subfolds == 0 or 2 <= holdout.num_subfolds <= groups):
        message = f"the split has {groups:,} groups of photos to cut into 2 or more"
        raise errors.InputError(f"config.num_subfolds = {holdout.num_subfolds}: {message}")
    if holdout.subfold >= max(holdout.num_subfolds, 1):
        numbers = f"0 to {holdout.num_subfolds - 1}" if holdout.num_subfolds else "none: set config.num_subfolds"
        raise errors.InputError(f"config.subfold = {holdout.subfold}: the subfolds are {numbers}")
    train = learned(data.split, annotation=annotation, holdout=holdout)
    if holdout.num_subfolds:
        inside = splits.subfolds(data.split, holdout.num_subfolds, fold=holdout.fold) == holdout.subfold
        valid = np.setdiff1d(np.flatnonzero(inside), train)
    else:
        valid = splits.valid_rows(data.split, holdout.fold)
    usable = right_whale.annotated(data.photos, annotation) & data.view.pictured
    train, valid = train[usable[train]], valid[usable[valid]]
    if not len(train):
        message = f"no photo to train on has a picture and the annotation {annotation!r}"
        advice = "import annotations first, of several sightings; photos without a name teach a `crossfit` alone"
        raise errors.InputError(f"{message}: {advice}")
    return train, valid


def learned(split: splits.Split, *, annotation: str, holdout: Holdout) -> np.ndarray:
    """(n,) rows that the split lets a network train on, some without the annotation; none where it learns from none."""
    if not annotation:
        return np.arange(0)
    if not holdout.num_subfolds:
        return splits.train_rows(split, holdout.fold)
    subfold = splits.subfolds(split, holdout.num_subfolds, fold=holdout.fold)
    rows = np.flatnonzero((subfold >= 0) & (subfold != holdout.subfold))
    return np.union1d(rows, splits.in_one_subfold(split, subfold)) if annotation == "label" else rows


def learned_by(training: finished_runs.Stage, split: splits.Split) -> np.ndarray:
    """(n,) rows that a finished training was given by this split. If the rule was another then, InputError."""
    rows = learned(split, annotation=annotation_of(training.config), holdout=holdout_of(training.config))
    if training.result.get("rows") != json_files.hash_of(rows.tolist()):
        message = "was trained when photos were dealt to subfolds by another rule: train it again"
        raise errors.InputError(f"{training.folder} {message}")
    return rows


def held_out_fold(annotation: str, fold: int) -> int | None:
    """The fold that a task which learns whales holds out; None of another task, which may learn from every fold."""
    return fold if annotation == "label" else None
