"""Features of the global average layer, and logits, of every photo."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import predictions
from whale_jax.experiment import build
from whale_jax.runtime import registry
from whale_jax.workflow import provenance
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {"network": ""},
    "weights": "best",  # on validation, or "last": where the learning rate falls to 0, and calibration follows
    "batch": 64,
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/predictions.npz: features (N, F) and logits (N, whales) of all photos; NaN where there is no view.

    Dropout is off here, so a network that has learned its photos by heart shows it: the post's surprise.
    """
    best = registry.lookup("weights", build.WEIGHTS, config.weights)
    _, data, network = build.reopen(Path(config.inputs.network), batch=config.batch, best=best)
    rows = np.flatnonzero(data.view.pictured)
    _, found = build.predict(network, data, rows, batch=config.batch)
    full = {
        name: np.full((len(data.photos.name), *value.shape[1:]), np.nan, np.float32) for name, value in found.items()
    }
    for name, value in found.items():
        full[name][rows] = value
    predictions.save(workdir, data.photos, arrays=full)
    device = provenance.device(network.parallel.devices)
    return {"features": int(found["features"].shape[1]), "photos": len(rows), "device": device}


def check(config: ConfigDict) -> None:
    """Raises InputError for weights that there are not."""
    registry.lookup("weights", build.WEIGHTS, config.weights)


PROGRAM = Program(DEFAULTS, run, check=check)
