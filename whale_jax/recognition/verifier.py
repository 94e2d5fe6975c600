"""Are two heads of one whale? Log odds by their evidence, learned on heads whose whales are known.

Not every part of a head says as much: callosities lie around the bonnet and along the middle, and water around them.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from whale_jax.runtime import storage

FILE = "verifier.npz"
WHALES = 30  # that each training head is compared with: its own, and 29 drawn at random
STRENGTH = 0.01  # of the regression, the inverse of its penalty; a tenth or ten times as much changes nothing


class Verifier(NamedTuple):
    """A linear function of evidence.

    Attributes:
        weights: (F,) float32, of the first numbers of the evidence.
        offset: float32 scalar.
        temperature: float32 scalar; log odds are divided by it where the odds of a whale's photos are added up, so that
            near 0 the highest alone counts.
    """

    weights: np.ndarray
    offset: np.ndarray
    temperature: np.ndarray

    def __call__(self, evidence: np.ndarray) -> np.ndarray:
        """(m, F) evidence, or more numbers -> (m,) log odds that it is the same whale, up to a constant."""
        return np.float32(evidence[:, : len(self.weights)]) @ self.weights + self.offset

    def answer(self, odds: np.ndarray, label: np.ndarray, *, whales: int) -> np.ndarray:
        """(whales,) scores by the (m,) log odds of photos of (m,) labels; the mean score for whales without a photo.

        A whale's is the sum of its photos' odds over the root of their number: many photos are not independent, and
        one of them that is alike says more than many that are not.
        """
        scores = np.full(whales, -np.inf, np.float32)
        np.maximum.at(scores, label, odds)
        count = np.bincount(label, minlength=whales)
        total = np.bincount(label, np.exp((odds - scores[label]) / self.temperature), minlength=whales)
        compared = count > 0
        scores[compared] += self.temperature * (np.log(total[compared]) - np.log(count[compared]) / 2)
        return np.where(compared, scores, scores[compared].mean() if compared.any() else 0)


def mean(count: int) -> Verifier:
    """The mean of the first `count` numbers, and each whale's best photo."""
    return Verifier(np.full(count, 1 / count, np.float32), np.float32(0), np.float32(1e-4))


def fit(evidence: np.ndarray, same: np.ndarray, *, otherwise: Verifier) -> Verifier:
    """By logistic regression on (m, F) evidence and (m,) bool, if it is of one whale; another where all or none is."""
    if same.all() or not same.any():
        return otherwise
    scaler, regression = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=1000)).fit(
        np.float32(evidence), same
    )
    weights = regression.coef_[0] / scaler.scale_
    offset = regression.intercept_[0] - weights @ scaler.mean_
    return Verifier(np.float32(weights), np.float32(offset), np.float32(1))


def examples(label: np.ndarray, *, count: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Rows of heads to learn from, at most `count`, and for each the (m,) rows of those that it is compared with.

    Those are the other photos of its whale and all of other whales, drawn at random. (n,) label are the heads' whales.
    """
    rng = np.random.default_rng(0)
    whales, photos = np.unique(label, return_counts=True)
    rows = rng.permutation(np.flatnonzero(np.isin(label, whales[photos > 1])))[:count]
    references = []
    for row in rows:
        rest = rng.permutation(whales[whales != label[row]])[: WHALES - 1]
        compared = np.flatnonzero(np.isin(label, [label[row], *rest]))
        references.append(compared[compared != row])
    return rows, references


def save(folder: Path, verifier: Verifier) -> None:
    """Writes verifier.npz."""
    storage.savez(folder / FILE, **verifier._asdict())


def reopen(folder: Path) -> Verifier:
    """That of a finished `rerank`."""
    with storage.reading(folder / FILE) as path, np.load(path) as file:
        return Verifier(*(file[name] for name in Verifier._fields))
