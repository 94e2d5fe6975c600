"""Features of the global average layer, and logits, of every photo; or the features of another layer."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import predictions
from whale_jax.experiment import prediction, restore
from whale_jax.runtime import errors, registry
from whale_jax.workflow import provenance
from whale_jax.workflow.program import Program

DEFAULTS = {
    # view: other pictures than it was trained on; photos: other photos, of which the view has pictures
    "inputs": {"network": "", "view": "", "photos": ""},
    "size": (),  # (height, width) that it sees them at, other than it was trained at: a map then has more places
    "weights": "best",  # on validation, or "last": where the learning rate falls to 0, and calibration follows
    "layer": "",  # whose features are written, such as "stage3", a map with all its places; "" for the network's own
    "batch": 64,
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/predictions.npz: features (N, F) and logits (N, whales) of all photos; NaN where there is no view.

    Of a layer there are its features alone, with three digits: enough to compare photos by, as there are many features.
    Dropout is off here, so a network that has learned its photos by heart shows it: the post's surprise.
    """
    network, data, _ = restore.reopen(
        Path(config.inputs.network),
        batch=config.batch,
        best=restore.WEIGHTS[config.weights],
        layer=config.layer,
        view=config.inputs.view,
        photos=config.inputs.photos,
        size=config.size,
    )
    rows = np.flatnonzero(data.view.pictured)
    _, arrays = prediction.predict(network, data, rows=rows, batch=config.batch)
    if config.layer:
        arrays["features"] = arrays["features"].astype(np.float16)
    arrays = prediction.scatter(arrays, rows, count=len(data.photos.name))
    predictions.save(workdir, data.photos, arrays=arrays)
    device = provenance.device(network.parallel.devices)
    return {
        "features": arrays["features"].shape[1] if "features" in arrays else 0,
        "photos": len(rows),
        "device": device,
    }


def check(config: ConfigDict) -> None:
    """Raises InputError for weights that there are not, and for other photos without a view of them."""
    registry.lookup("weights", restore.WEIGHTS, config.weights)
    if config.inputs.photos and not config.inputs.view:
        raise errors.InputError("inputs.photos are other photos: name a view of them as inputs.view")


PROGRAM = Program(DEFAULTS, run, check=check)
