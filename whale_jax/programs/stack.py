"""The post's last step: features of all networks, standardised, into multinomial logistic regression.

Networks know their training photos by heart, so a regression on features of those trusts them too much. Hence C is
chosen by the log loss that its answers have on the photos validated on once they are calibrated.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from whale_jax import calibration, metrics, progress
from whale_jax.data import right_whale, splits

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "features": ""},  # more networks: features2, features3 ...
    "fold": 0,
    "C": (0.01, 0.1, 1.0, 10.0),  # inverses of the penalty to choose from; 10 is the post's
    "iterations": 200,
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/probabilities.npz: of the regression (stack) and of the networks' own average (network)."""
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    folders = [Path(path) for name, path in sorted(config.inputs.items()) if name.startswith("features") and path]
    features, network = _load(folders)
    usable = np.isfinite(features).all(1)
    fit, valid = splits.train_rows(split, config.fold), splits.valid_rows(split, config.fold)
    fit = fit[usable[fit]]
    stacks = {}
    with progress.bar(len(config.C), what=workdir.name, unit="fits") as bar:
        for c in config.C:
            model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=config.iterations))
            model.fit(features[fit], photos.label[fit])
            stacks[c] = np.full_like(network, np.nan)
            stacks[c][usable] = 0  # a whale without a photo to train on
            stacks[c][np.ix_(usable, model.classes_)] = model.predict_proba(features[usable])
            bar.update()
    label, prior = photos.label[valid], splits.prior(photos, split, config.fold)
    losses = {}
    for c, p in stacks.items():
        p = finish(p[valid], 0)
        losses[c] = score(calibration.fit(p, label, prior)(p), label)["log_loss"]
    best = min(losses, key=losses.get)
    found = {"stack": stacks[best], "network": network}
    np.savez(workdir / "probabilities.npz", **found)
    return {
        "split": split.hash,
        "C": best,
        "calibrated_log_loss_by_C": {str(c): loss for c, loss in losses.items()},
        "metrics": {name: score(p[valid], photos.label[valid]) for name, p in found.items()},
        "train_metrics": {name: score(p[fit], photos.label[fit]) for name, p in found.items()},
    }


def _load(folders: list[Path]) -> tuple[np.ndarray, np.ndarray]:
    """(N, sum of F) features and the (N, whales) average of the networks' probabilities."""
    features, probabilities = [], []
    for folder in folders:
        with np.load(folder / "features.npz") as found:
            features.append(found["features"])
            probabilities.append(np.asarray(jax.nn.softmax(found["logits"])))
    return np.concatenate(features, axis=1), np.mean(probabilities, axis=0)


def score(probabilities: np.ndarray, label: np.ndarray, *, floor: float = metrics.KAGGLE_CLIP) -> dict[str, float]:
    """Log loss and top-1 of (n, whales) probabilities; a photo without any gets the uniform ones."""
    safe = finish(probabilities, floor)
    logits, known = np.log(safe), label >= 0
    return {
        "log_loss": float(metrics.log_loss(logits[known], label[known]).mean()),
        "top1": float(metrics.top_k(logits[known], label[known], 1).mean()),
        "top5": float(metrics.top_k(logits[known], label[known], 5).mean()),
    }


def finish(probabilities: np.ndarray, floor: float) -> np.ndarray:
    """(n, whales) of at least about `floor`, each row summing to 1; rows that are not finite become uniform."""
    p = np.where(np.isfinite(probabilities), probabilities, 1 / probabilities.shape[1]).astype(np.float64)
    p = np.maximum(p, floor)
    return p / p.sum(1, keepdims=True)
