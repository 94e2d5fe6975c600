"""One answer from a classifier's probabilities and the photos that are most alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from scipy import special

from whale_jax.data import predictions, probabilities, right_whale, splits
from whale_jax.evaluation import calibration, retrieval
from whale_jax.programs import retrieve, stack
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "probabilities": "", "features": ""},  # of a `stack`, and of an `extract`
    "fold": 0,
    "source": "network",  # which of the probabilities
    "num_subfolds": 5,  # that the photos held out are cut into: the weights for one are fitted on the others
    "few": 3,  # whales with at most so many photos in the gallery are measured by themselves too
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/probabilities.npz: of the classifier (network), of the search (neighbours) and of both (blend)."""
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    features, label = predictions.load(config.inputs.features, photos, kind="features"), photos.label
    network = probabilities.load_source(config.inputs.probabilities, photos, source=config.source)
    usable = np.isfinite(features).all(1) & np.isfinite(network).all(1)
    gallery, valid = retrieve.catalogue(photos, split, config.fold, usable)
    asked = np.union1d(valid, np.flatnonzero(usable & (label < 0)))
    scores = np.full(network.shape, np.nan)
    scores[asked] = retrieval.by_photo(features[asked], features[gallery], label[gallery], len(photos.whales))
    both, prior = np.concatenate([network, scores], axis=1), splits.prior(photos, split, config.fold)
    fitted = calibration.fit_blend(both[valid], label[valid], prior)
    found = {"network": network, "neighbours": np.full_like(scores, np.nan), "blend": np.full_like(scores, np.nan)}
    for name, fit in (("neighbours", fit_sharpness), ("blend", calibration.fit_blend)):
        found[name][asked] = fit(both[valid], label[valid], prior)(both[asked])
        # A photo validated on gets what was fitted on others: it has no say in what is said of it.
        cross = {"group": split.group[valid], "num_subfolds": config.num_subfolds}
        found[name][valid] = calibration.cross_fit(fit, both[valid], label[valid], prior, **cross)
    probabilities.save(workdir, photos, arrays=found)
    measured = {name: stack.score(p[valid], label[valid]) for name, p in found.items()}
    few = valid[retrieve.rare(label, valid, gallery, few=config.few)]
    if len(few):
        for name, p in found.items():
            measured[name]["few_top1"] = stack.score(p[few], label[few])["top1"]
    return {
        "split": split.hash,
        "power": fitted.power,
        "sharpness": fitted.sharpness,
        "metrics": measured,
        "queries_of_few": len(few),
        "train_metrics": {},
    }


def fit_sharpness(both: np.ndarray, label: np.ndarray, prior: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """What a search alone answers, by the sharpness of the blend that suits these photos; see `fit_blend`."""
    sharpness = calibration.fit_blend(both, label, prior).sharpness
    return lambda both: special.softmax(sharpness * np.split(both, 2, axis=1)[1], axis=1)


PROGRAM = Program(DEFAULTS, run)
