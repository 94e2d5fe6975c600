"""The post's last step: features of all networks, standardised, into multinomial logistic regression.

Networks know their training photos by heart, so a regression on features of those trusts them too much. Hence C is
chosen by the log loss that its answers have, calibrated, on the photos validated on: for each of these by the others.
The other way out is to fit it on what networks said of photos that they had not seen, from a `crossfit`: on logits,
since each part of the photos has another network's features, which have nothing to do with one another, while logits
are of the same whales.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from whale_jax.data import predictions, probabilities, right_whale, splits
from whale_jax.evaluation import calibration, metrics
from whale_jax.runtime import progress, registry
from whale_jax.workflow.program import Program

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
    logits = {name: predictions.load(path, photos, kind="logits") for name, path in given.items()}
    alone = {name: np.asarray(jax.nn.softmax(own)) for name, own in logits.items()}
    network = np.mean(list(alone.values()), axis=0)
    if config.on == "logits":
        parts = [np.asarray(jax.nn.log_softmax(own)) for own in logits.values()]
    else:
        parts = [predictions.load(path, photos, kind=config.on) for path in given.values()]
    known = np.concatenate(parts, axis=1)
    fit, valid = splits.train_rows(split, config.fold), splits.measured_rows(split, config.fold)
    fit = fit[np.isfinite(known[fit]).all(1)]
    stacks = []
    with progress.bar(len(config.C), what=workdir.name, unit="fits") as bar:
        for c in config.C:
            stacks.append(regression(known, photos.label, fit, network, C=c, config=config))
            bar.update()
    both = finish(np.stack([p[valid] for p in stacks], axis=1), 0)
    of = both, photos.label[valid], splits.prior(photos, split, config.fold)
    losses = calibrated_losses(*of)
    best = stacks[int(np.argmin(losses))]
    # A photo validated on gets the C that is best for those of other groups: it has no say in what is said of it.
    if len(np.unique(split.group[valid])) > 1:
        best[valid] = calibration.cross_fit(choose, *of, group=split.group[valid])
    found = {"stack": best, "network": network, **(alone if len(alone) > 1 else {})}
    probabilities.save(workdir, photos, arrays=found)
    fitted = found if config.on == "features" else {"stack": found["stack"]}  # the others had not seen these photos
    return {
        "split": split.hash,
        "C": config.C[int(np.argmin(losses))],
        "in_sample_log_loss_by_C": dict(zip(map(str, config.C), losses, strict=True)),
        "metrics": {name: score(p[valid], photos.label[valid]) for name, p in found.items()},
        "train_metrics": {name: score(p[fit], photos.label[fit]) for name, p in fitted.items()},
    }


def regression(
    known: np.ndarray, label: np.ndarray, fit: np.ndarray, network: np.ndarray, *, C: float, config: ConfigDict
) -> np.ndarray:
    """(N, whales) probabilities by logistic regression on the (N, features) `known` of the rows `fit`.

    A whale without a photo among those has what (N, whales) `network` says; a photo without features has NaN.
    """
    steps = [PCA(config.pca, random_state=0)] if config.pca else []
    model = make_pipeline(*steps, StandardScaler(), LogisticRegression(C=C, max_iter=config.iterations))
    model.fit(known[fit], label[fit])
    usable, found = np.isfinite(known).all(1), network.copy()
    left = 1 - np.delete(network[usable], model.classes_, axis=1).sum(1, keepdims=True)
    found[np.ix_(usable, model.classes_)] = left * model.predict_proba(known[usable])
    found[~usable] = np.nan
    return found


def calibrated_losses(p: np.ndarray, label: np.ndarray, prior: np.ndarray) -> list[float]:
    """Log loss of each of (n, choices, whales) probabilities once it is calibrated on these same photos."""
    ways = (p[:, i] for i in range(p.shape[1]))
    return [score(calibration.fit(own, label, prior)(own), label)["log_loss"] for own in ways]


def choose(p: np.ndarray, label: np.ndarray, prior: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """(n, choices, whales) -> the choice that is best on the photos given."""
    best = int(np.argmin(calibrated_losses(p, label, prior)))
    return lambda p: p[:, best]


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
    """(..., whales) of at least about `floor`, each row summing to 1; rows that are not finite become uniform."""
    p = np.where(np.isfinite(probabilities), probabilities, 1 / probabilities.shape[-1]).astype(np.float64)
    p = np.maximum(p, floor)
    return p / p.sum(-1, keepdims=True)


PROGRAM = Program(DEFAULTS, run, check=check)
