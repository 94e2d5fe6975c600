"""The post's last step: features of all networks, standardised, into multinomial logistic regression.

Networks have fitted their training photos almost perfectly, so a regression on the features of those photos trusts the
networks too much. Hence C is chosen by the log loss of the calibrated answers on the photos validated on: for each of
these by the others. The other way out is to fit the regression on predictions for photos that a network had not seen,
those of a `crossfit`. These must be logits: each subfold has the features of another network, which have nothing to do
with one another, while logits are of the same whales.

Features of a `describe` join those of networks. Scores of a search cannot: it has none for the photos that it searches,
which a regression is fitted on. `fuse` takes these.
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
from whale_jax.evaluation import calibration
from whale_jax.evaluation.probabilities import normalise, score
from whale_jax.runtime import errors, progress, registry
from whale_jax.workflow.program import Program

DEFAULTS = {
    # features: of an `extract`. More of them, features2, features3 ..., may be those of a `describe` too.
    "inputs": {"photos": "", "split": "", "features": ""},
    "fold": 0,
    "input_kind": "features",  # or "logits"
    "pca": 0,  # principal components to keep; 0 keeps all there is
    "C": (0.01, 0.1, 1.0, 10.0),  # inverses of the penalty to choose from; 10 is the post's
    "iterations": 200,
}
KINDS = ("features", "logits")


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/probabilities.npz: of the regression (stack), of the networks' average (network), and of each."""
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    features, networks = load(config, photos)
    network = np.mean(list(networks.values()), axis=0)
    fit, valid = splits.train_rows(split, config.fold), splits.measured_rows(split, config.fold)
    fit = fit[np.isfinite(features[fit]).all(1)]
    stacks = [
        regression(features, photos.label, fit=fit, network=network, C=c, config=config)
        for c in progress.bar(len(config.C), title=workdir.name, unit="fits", items=config.C)
    ]
    choices = normalise(np.stack([p[valid] for p in stacks], axis=1))
    unanswered = valid[~np.isfinite(stacks[0][valid]).all(1)]
    label, prior = photos.label[valid], splits.prior(photos, split, fold=config.fold)
    losses = calibrated_losses(choices, label, prior=prior)
    best = stacks[int(np.argmin(losses))]
    # A photo validated on gets the C that is best for other groups: it has no part in the choice of its own.
    if len(np.unique(split.group[valid])) > 1:
        groups = split.group[valid]
        best[valid] = calibration.cross_fit(choose, choices, label=label, prior=prior, group=groups)
        best[unanswered] = np.nan
    answers = {"stack": best, "network": network, **(networks if len(networks) > 1 else {})}
    probabilities.save(workdir, photos, arrays=answers)
    fitted = answers if config.input_kind == "features" else {"stack": best}  # predictions were made of photos not seen
    return {
        "split": split.hash,
        "C": config.C[int(np.argmin(losses))],
        "in_sample_log_loss_by_C": dict(zip(map(str, config.C), losses, strict=True)),
        "metrics": {source: score(p[valid], label) for source, p in answers.items()},
        "train_metrics": {source: score(p[fit], photos.label[fit]) for source, p in fitted.items()},
    }


def load(config: ConfigDict, photos: right_whale.Photos) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(N, D) features of all members side by side, and the (N, whales) probabilities of each network among them."""
    folders = {name: path for name, path in sorted(config.inputs.items()) if name.startswith("features") and path}
    logits = {
        name: predictions.load(path, photos, kind="logits")
        for name, path in folders.items()
        if config.input_kind == "logits" or "logits" in predictions.kinds(path)
    }
    if not logits:
        paths = " and ".join(folders.values())
        raise errors.InputError(f"a stack needs a network's answers, and {paths} has none: add the features of one")
    networks = {name: np.asarray(jax.nn.softmax(array)) for name, array in logits.items()}
    if config.input_kind == "logits":
        blocks = [np.asarray(jax.nn.log_softmax(array)) for array in logits.values()]
    else:
        blocks = [predictions.load(path, photos, kind=config.input_kind) for path in folders.values()]
    return np.concatenate(blocks, axis=1), networks


def regression(
    features: np.ndarray, label: np.ndarray, *, fit: np.ndarray, network: np.ndarray, C: float, config: ConfigDict
) -> np.ndarray:
    """(N, whales) probabilities by logistic regression on (N, D) features, fitted on the rows `fit`.

    A whale without a photo among those rows keeps its probability in `network`, (N, whales). A photo without features
    has NaN.
    """
    steps = [PCA(config.pca, random_state=0)] if config.pca else []
    model = make_pipeline(*steps, StandardScaler(), LogisticRegression(C=C, max_iter=config.iterations))
    model.fit(features[fit], label[fit])
    usable, p = np.isfinite(features).all(1), network.copy()
    remainder = 1 - np.delete(network[usable], model.classes_, axis=1).sum(1, keepdims=True)
    p[np.ix_(usable, model.classes_)] = remainder * model.predict_proba(features[usable])
    p[~usable] = np.nan
    return p


def calibrated_losses(p: np.ndarray, label: np.ndarray, *, prior: np.ndarray) -> list[float]:
    """The log loss of each of (n, choices, whales) probabilities once it is calibrated on these same photos."""
    columns = (p[:, i] for i in range(p.shape[1]))
    return [score(calibration.fit(column, label, prior=prior)(column), label)["log_loss"] for column in columns]


def choose(p: np.ndarray, label: np.ndarray, *, prior: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Takes, of (n, choices, whales) probabilities, the choice that is best on the photos given."""
    best = int(np.argmin(calibrated_losses(p, label, prior=prior)))
    return lambda p: p[:, best]


def check(config: ConfigDict) -> None:
    """Raises InputError for an unknown kind of input."""
    registry.lookup("kind of input to the stack", dict.fromkeys(KINDS), config.input_kind)


PROGRAM = Program(DEFAULTS, run, check=check)
