"""Checks a folder of photos with all that is known of them, and packages it once: what every later stage reads."""

from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from whale_jax import errors
from whale_jax.data import annotations, right_whale

DEFAULTS = {
    "root": "",  # a folder in one of the layouts of data/annotations.py
    "inputs": {"drawn": ""},  # or the folder of the stage that drew one
    "skip_unreadable": False,  # leave photos out that cannot be decoded, instead of refusing them all
    "outside": 0.02,  # how far annotations may reach over a photo's edge, as a fraction of its longer side
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes the dataset into workdir; returns its counts, the photos that were left out, and its digest."""
    root = find(config)
    catalogue = annotations.read(root)
    skipped = right_whale.build(catalogue, workdir, skip_unreadable=config.skip_unreadable, outside=config.outside)
    for problem in skipped:
        logging.warning("left out: %s", problem)
    if catalogue.unused:
        logging.warning("%d annotations speak of photos that are not in %s", catalogue.unused, root)
    photos = right_whale.load(workdir)
    return {
        "photos": len(photos.name),
        "whales": len(photos.whales),
        "labelled": int((photos.label >= 0).sum()),
        "with_points": int(np.isfinite(photos.points).all((1, 2)).sum()),
        "with_box": int(np.isfinite(photos.box).all(1).sum()),
        "unused_annotations": catalogue.unused,
        "skipped": list(skipped),
        "digest": photos.digest,
    }


def revisit(config: ConfigDict, workdir: Path) -> None:
    """Warns where photos or tables are not as they were when they were imported: nothing is made from them anew."""
    if not (root := find(config)).is_dir():
        return
    try:
        same = right_whale.unchanged(annotations.read(root), workdir)
    except errors.InputError:
        same = False
    if not same:
        logging.warning("%s has changed since it was imported: choose another --workdir to use it as it is now", root)


def find(config: ConfigDict) -> Path:
    """The folder of photos."""
    if not config.root and not config.inputs.drawn:
        raise errors.InputError("no photos to import: set root to the folder that holds them")
    return Path(config.root or Path(config.inputs.drawn) / "pod")
