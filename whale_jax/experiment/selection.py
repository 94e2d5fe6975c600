"""Which photos a training sees, and which it is validated on."""

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import right_whale, splits
from whale_jax.experiment.build import ANNOTATION, Data
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs, json_files


def choose(config: ConfigDict, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows to validate on: those of the split that have the annotation and a picture.

    A task that needs no annotation learns from every picture but strangers', those held out too, whose names it does
    not see, and is validated on none.
    """
    annotation = ANNOTATION[config.task.name]
    if not annotation:
        return np.setdiff1d(np.flatnonzero(data.view.pictured), splits.stranger_rows(data.split)), np.arange(0)
    groups = data.split.group.max() + 1
    if not (config.num_subfolds == 0 or 2 <= config.num_subfolds <= groups):
        what = f"the split has {groups:,} groups of photos to cut into 2 or more"
        raise errors.InputError(f"config.num_subfolds = {config.num_subfolds}: {what}")
    train = trained(config, data.split)
    if config.num_subfolds:
        inside = splits.subfolds(data.split, config.num_subfolds, config.fold) == config.subfold
        valid = np.setdiff1d(np.flatnonzero(inside), train)
    else:
        valid = splits.valid_rows(data.split, config.fold)
    known = right_whale.annotated(data.photos, annotation) & data.view.pictured
    train, valid = train[known[train]], valid[known[valid]]
    if not len(train):
        what = f"no photo to train on has a picture and the annotation {annotation!r}"
        raise errors.InputError(f"{what}: import annotations first, of several sightings")
    return train, valid


def trained(config: ConfigDict, split: splits.Split) -> np.ndarray:
    """Rows whose annotation the split gives a network to train on, whether there is one or not."""
    if not ANNOTATION[config.task.name]:
        return np.arange(0)
    if not config.num_subfolds:
        return splits.train_rows(split, config.fold)
    part = splits.subfolds(split, config.num_subfolds, config.fold)
    rows = np.flatnonzero((part >= 0) & (part != config.subfold))
    return np.union1d(rows, splits.in_one_subfold(split, part)) if ANNOTATION[config.task.name] == "label" else rows


def seen(one: finished_runs.Stage, split: splits.Split) -> np.ndarray:
    """Rows that a finished training was given by this split. If the rule was another then, InputError."""
    rows = trained(ConfigDict(one.config), split)
    if one.result.get("rows") != json_files.hash_of(rows.tolist()):
        raise errors.InputError(f"{one.folder} was trained when photos were dealt to parts otherwise: train it again")
    return rows


def held_out(config: ConfigDict) -> int | None:
    """The fold that no whale was learned from; where heads are, may be learned from any."""
    return config.fold if ANNOTATION[config.task.name] == "label" else None
