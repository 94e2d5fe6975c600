"""Divides the labelled and the annotated photos into folds and writes splits.json, once, before anything trains."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from whale_jax.data import groups, images, right_whale, splits
from whale_jax.runtime import errors, registry, storage
from whale_jax.workflow.program import Program

LISTED = "given"  # the config's word for encounters that the table names, if it does
DEFAULTS = {
    "inputs": {"photos": ""},
    "folds": 5,
    "seed": 0,
    "unknown_fraction": 0.0,  # share of the whales kept out of every training, to measure "none of these" on
    # Photos that stay on one side: "head" (bursts, and encounters that the table names), "encounter" (those that it
    # must name), "given" (those that it names, if it does) or "none".
    "group": "head",
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes the split into workdir; returns its hash and how many photos are where."""
    photos = right_whale.load(Path(config.inputs.photos))
    group = registry.lookup("group", GROUPS, config.group)(photos, workdir)
    if config.group != "none":
        group = groups.with_copies(group, photos)
    split = splits.make(
        photos, folds=config.folds, seed=config.seed, groups=group, unknown_fraction=config.unknown_fraction
    )
    splits.save(workdir, photos, split=split)
    blind = split.named & (photos.encounter == "") & ~right_whale.located(photos)
    if config.group == "head" and blind.any():
        logging.warning(
            "%d labelled photos show neither head nor encounter: bursts among them are guessed", blind.sum()
        )
    sizes = np.bincount(split.group[split.group >= 0])
    held_out = [splits.valid_rows(split, fold) for fold in range(split.folds)]
    return {
        "labelled": int(split.named.sum()),
        "annotated_without_a_name": int((~split.named & (split.fold >= 0)).sum()),
        "neither": int((~split.named & (split.fold < 0)).sum()),
        "of_unknown": len(splits.unknown_rows(split)),
        "groups": len(sizes),
        "photos_in_larger_groups": int(sizes[sizes > 1].sum()),
        "largest_group": int(sizes.max()),
        "always_in_training": int(split.single.sum()),
        "held_out": [len(rows) for rows in held_out],
        "held_out_groups": [len(np.unique(split.group[rows])) for rows in held_out],
        "labelled_without_a_head": int(blind.sum()),
        "split": split.hash,
        "digest": split.hash,
    }


def check(config: ConfigDict) -> None:
    """Raises InputError for an unknown way to group."""
    registry.lookup("group", GROUPS, config.group)


def head(photos: right_whale.Photos, workdir: Path) -> np.ndarray:
    """(N,) groups of bursts by the look of the head, and of encounters that the table names."""
    matrices = groups.head_matrices(photos)
    matrices[(photos.label < 0) & ~right_whale.located(photos)] = np.nan  # not learned from, so not rendered either
    with tempfile.TemporaryDirectory(dir=workdir, suffix=storage.PARTIAL) as folder:
        view = images.save(Path(folder) / "heads", photos, matrices=matrices, size=groups.HEAD_SIZE)
        return groups.join(
            groups.near_duplicates(view.images, photos.label, pictured=view.pictured), groups.by_encounter(photos)
        )


def encounter(photos: right_whale.Photos, workdir: Path) -> np.ndarray:
    """(N,) groups of encounters, which the table must name."""
    if not (photos.encounter != "").any():
        raise errors.InputError("group is 'encounter' but no photo has one: add the column, or set group to 'head'")
    return groups.by_encounter(photos)


def listed(photos: right_whale.Photos, workdir: Path) -> np.ndarray:
    """(N,) groups of encounters that the table names. A photo without one is by itself, whatever it looks like."""
    return groups.by_encounter(photos)


def none(photos: right_whale.Photos, workdir: Path) -> np.ndarray:
    """(N,) each photo by itself: bursts leak, to measure by how much. A warning tells of encounters that are split."""
    if encounters := len(np.unique(photos.encounter[photos.encounter != ""])):
        logging.warning(
            "the table names %d encounters, and group is 'none': their photos are divided one by one, so what is"
            " measured is of photos of the same days as those learned from; set group to 'given' to keep them together",
            encounters,
        )
    return np.arange(len(photos.name))


GROUPS = {"head": head, "encounter": encounter, LISTED: listed, "none": none}


PROGRAM = Program(DEFAULTS, run, check=check)
