"""Applies the networks of a finished stage to another view, of the same photos or of others.

Photos that the stage was made from are predicted by the networks that have not seen them, as there. A folder in which
only some photos are those counts as another: leave them out where errors are to be measured.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from whale_jax.data import images, loader, predictions, right_whale, splits
from whale_jax.experiment import build
from whale_jax.programs import crossfit
from whale_jax.runtime import errors
from whale_jax.train.parallel import parallel
from whale_jax.workflow import finished_runs, json_files, provenance
from whale_jax.workflow.program import Program

DEFAULTS = {"inputs": {"network": "", "photos": "", "view": ""}, "batch": 32}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/predictions.npz as `crossfit` does, and returns the errors where photos are annotated.

    Points and boxes are in pixels of the photos. Columns of logits are the photos' whales, or the network's where the
    photos name none; a whale that the network does not know raises InputError.
    """
    made = finished_runs.read(config.inputs.network)
    photos, view = right_whale.load(Path(config.inputs.photos)), images.load(Path(config.inputs.view))
    seen = finished_runs.made_from(made, photos)
    folder = Path(made.config["inputs"]["split"])
    split = splits.load(folder, photos) if seen else None
    known = [] if seen else np.intersect1d(splits.names(folder), photos.name)
    if len(known):
        what = f"{len(known):,} photos, such as {known[0]}, have names of photos that {made.folder} was made from"
        logging.warning("%s: if they are the same, errors measured on them flatter", what)
    whales = json_files.read((crossfit.networks(made.folder) or [made.folder])[0] / "whales.json") or ()
    chosen = columns(whales, photos.whales, made.folder)
    own = ConfigDict({"tta": {}, "average": "mean", "weights": "best", **made.config, "batch": config.batch})
    found = crossfit.answer(own, made.folder, build.Data(photos, split, view, loader.Examples(photos, view)))
    if whales:
        found["logits"] = found["logits"][:, chosen]
    predictions.save(workdir, photos, arrays=found)
    device = provenance.device(parallel(own.parallel, batch=own.batch).devices)
    return {"predicted": int(view.pictured.sum()), "device": device, **crossfit.measured(found, photos)}


def columns(known: Sequence[str], wanted: Sequence[str], folder: Path) -> list[int]:
    """Where each wanted whale stands among those that the network of `folder` knows; all, where none is named."""
    if strangers := [whale for whale in wanted if known and whale not in known]:
        few = ", ".join(strangers[:10])
        raise errors.InputError(f"{folder} was not trained on {len(strangers)} of the whales asked for, such as {few}")
    return [known.index(whale) for whale in (wanted or known) if known]


PROGRAM = Program(DEFAULTS, run)
