"""One answer from a classifier's probabilities and the photos that are most alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from scipy import special

from whale_jax.data import gallery as galleries
from whale_jax.data import predictions, probabilities, right_whale, splits
from whale_jax.evaluation import calibration, retrieval
from whale_jax.evaluation.probabilities import score
from whale_jax.workflow.program import Program

DEFAULTS = {
    # probabilities: of a `stack`; features: of an `extract` or a `describe`. More members than these two take a `fuse`.
    "inputs": {"photos": "", "split": "", "probabilities": "", "features": ""},
    "fold": 0,
    "source": "network",  # which of the probabilities
    "num_subfolds": 5,  # that the photos held out are cut into: the weights for one are fitted on the others
    "rare_max_photos": 3,  # whales with at most so many photos in the gallery are measured by themselves too
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/probabilities.npz: of the classifier (network), of the search (neighbours) and of both (blend)."""
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    features = predictions.load(config.inputs.features, photos, kind="features")
    network = probabilities.load_source(config.inputs.probabilities, photos, source=config.source)
    usable = np.isfinite(features).all(1) & np.isfinite(network).all(1)
    gallery = galleries.select(photos, split, fold=config.fold, usable=usable)
    valid, label = gallery.queries, photos.label[gallery.queries]
    rows = np.union1d(valid, gallery.unlabelled)
    searched = {"label": photos.label[gallery.rows], "whales": len(photos.whales)}
    scores = np.full(network.shape, np.nan)
    scores[rows] = retrieval.by_photo(features[gallery.rows], **searched)(features[rows])
    inputs, prior = np.concatenate([network, scores], axis=1), splits.prior(photos, split, fold=config.fold)
    facts = {"label": label, "prior": prior, "group": split.group[valid], "num_subfolds": config.num_subfolds}
    fitted = calibration.fit_blend(inputs[valid], label, prior=prior)
    answers = {"network": network}
    for source, fit in (("neighbours", fit_sharpness), ("blend", calibration.fit_blend)):
        answers[source] = calibration.answer(fit, inputs, fit=valid, rows=rows, **facts)
    probabilities.save(workdir, photos, arrays=answers)
    metrics = {source: score(p[valid], label) for source, p in answers.items()}
    few = galleries.rare(photos.label, gallery, most=config.rare_max_photos)
    if few.any():
        for source, p in answers.items():
            metrics[source]["few_top1"] = score(p[valid][few], label[few])["top1"]
    return {
        "split": split.hash,
        "power": fitted.power,
        "sharpness": fitted.sharpness,
        "metrics": metrics,
        "queries_of_few": int(few.sum()),
        "train_metrics": {},
    }


def fit_sharpness(inputs: np.ndarray, label: np.ndarray, *, prior: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The answer of a search alone, (n, 2 x whales) -> (n, whales), by the sharpness that `fit_blend` finds."""
    sharpness = calibration.fit_blend(inputs, label, prior=prior).sharpness
    return lambda inputs: special.softmax(sharpness * np.split(inputs, 2, axis=1)[1], axis=1)


PROGRAM = Program(DEFAULTS, run)
