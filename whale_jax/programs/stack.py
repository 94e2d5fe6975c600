"""The post's last step: features of all networks, standardised, into multinomial logistic regression.

Networks know their training photos by heart, so a regression on features of those trusts them too much. Hence C is
chosen by the log loss that its answers have on the photos validated on once they are calibrated. The other way out is
to fit it on what networks said of photos that they had not seen, from a `crossfit`: on logits, since each part of the
photos has another network's features, which have nothing to do with one another, while logits are of the same whales.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from whale_jax import calibration, metrics, progress, registry
from whale_jax.data import predictions, right_whale, splits

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "features": ""},  # more networks: features2, features3 ...
    "fold": 0,
    "on": "features",  # or "logits"
    "pca": 0,  # principal components to keep; 0 keeps all there is
    "C": (0.01, 0.1, 1.0, 10.0),  # inverses of the penalty to choose from; 10 is the post's
    "iterations": 200,
}
KINDS = ("features", "logits")


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/probabilities.npz: of the regression (stack), of the networks' average (network), and of each."""
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    given = {name: path for name, path in sorted(config.inputs.items()) if name.startswith("features") and path}
    logits = {name: predictions.load(path, "logits", photos) for name, path in given.items()}
    alone = {name: np.asarray(jax.nn.softmax(own)) for name, own in logits.items()}
    network = np.mean(list(alone.values()), axis=0)
    if config.on == "logits":
        parts = [np.asarray(jax.nn.log_softmax(own)) for own in logits.values()]
    else:
        parts = [predictions.load(path, config.on, photos) for path in given.values()]
    known = np.concatenate(parts, axis=1)
    usable = np.isfinite(known).all(1)
    fit, valid = splits.train_rows(split, config.fold), splits.valid_rows(split, config.fold)
    fit = fit[usable[fit]]
    stacks = {}
    with progress.bar(len(config.C), what=workdir.name, unit="fits") as bar:
        for c in config.C:
            steps = [PCA(config.pca, random_state=0)] if config.pca else []
            model = make_pipeline(*steps, StandardScaler(), LogisticRegression(C=c, max_iter=config.iterations))
            model.fit(known[fit], photos.label[fit])
            stacks[c] = network.copy()  # of whales without a photo to fit on
            left = 1 - np.delete(network[usable], model.classes_, axis=1).sum(1, keepdims=True)
            stacks[c][np.ix_(usable, model.classes_)] = left * model.predict_proba(known[usable])
            stacks[c][~usable] = np.nan
            bar.update()
    label, prior = photos.label[valid], splits.prior(photos, split, config.fold)
    losses = {}
    for c, p in stacks.items():
        p = finish(p[valid], 0)
        losses[c] = score(calibration.fit(p, label, prior)(p), label)["log_loss"]
    best = min(losses, key=losses.get)
    found = {"stack": stacks[best], "network": network, **(alone if len(alone) > 1 else {})}
    np.savez(workdir / "probabilities.npz", **found)
    fitted = found if config.on == "features" else {"stack": found["stack"]}  # the others had not seen these photos
    return {
        "split": split.hash,
        "C": best,
        "calibrated_log_loss_by_C": {str(c): loss for c, loss in losses.items()},
        "metrics": {name: score(p[valid], photos.label[valid]) for name, p in found.items()},
        "train_metrics": {name: score(p[fit], photos.label[fit]) for name, p in fitted.items()},
    }


def check(config: ConfigDict) -> None:
    """Raises InputError for a kind of input that there is not."""
    registry.lookup("kind of input to the stack", dict.fromkeys(KINDS), config.on)


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
