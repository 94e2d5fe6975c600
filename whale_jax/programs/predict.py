"""Applies a finished network, or those of a cross-fit together, to photos that it was not made from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax import errors
from whale_jax.data import images, loader, right_whale
from whale_jax.programs import crossfit, finished, stage, train

DEFAULTS = {"inputs": {"network": "", "photos": "", "view": ""}, "batch": 32}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/predictions.npz as `crossfit` does, and returns the errors where photos are annotated.

    Points and boxes are in pixels of the photos. Columns of logits are the photos' whales, or the network's where the
    photos name none; a whale that the network does not know raises InputError.
    """
    folder = Path(config.inputs.network)
    photos, view = right_whale.load(Path(config.inputs.photos)), images.load(Path(config.inputs.view))
    data = train.Data(photos, None, view, loader.Examples(photos, view))
    rows = np.flatnonzero(np.isfinite(view.matrices).all((1, 2)))
    folders = crossfit.networks(folder) or [folder]
    whales = stage.read(folders[0] / "whales.json") or ()
    chosen = columns(whales, photos.whales, folder)
    own = ConfigDict({"warps": {}, "average": "mean", **finished.read(folder).config, "batch": config.batch})
    answers = []
    for one in folders:
        made = ConfigDict({**finished.read(one).config, "batch": config.batch})
        network = train.restore(made, one, classes=len(whales))
        answers.append(crossfit.predict(network, data, rows, config=own))
    found = {}
    for name in answers[0]:
        mean = np.mean([answer[name] for answer in answers], axis=0)
        found[name] = np.full((len(photos.name), *mean.shape[1:]), np.nan, np.float32)
        found[name][rows] = mean
    if "logits" in found:
        found["logits"] = found["logits"][:, chosen]
    np.savez(workdir / "predictions.npz", **found)
    annotated = np.isfinite(getattr(photos, "box" if "box" in found else "points")).all()
    return {"predicted": len(rows), "metrics": crossfit.score(found, photos) if annotated and not whales else {}}


def columns(known: Sequence[str], wanted: Sequence[str], folder: Path) -> list[int]:
    """Where each wanted whale stands among those that the network of `folder` knows; all, where none is named."""
    if strangers := [whale for whale in wanted if known and whale not in known]:
        few = ", ".join(strangers[:10])
        raise errors.InputError(f"{folder} was not trained on {len(strangers)} of the whales asked for, such as {few}")
    return [known.index(whale) for whale in (wanted or known) if known]
