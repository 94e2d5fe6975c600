"""Calibrated probabilities, by a temperature and a share of the prior that are fitted on photos not trained on.

A temperature above 1 undoes over-confidence (Guo et al., arXiv:1706.04599); a share of the prior - how often each whale
is photographed - is the best answer without any knowledge of the photo.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, special


class Calibration(NamedTuple):
    """A calibration: p -> (1 - weight) p^(1 / temperature) + weight prior, made to sum to 1."""

    temperature: float
    weight: float
    prior: np.ndarray

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """(n, whales) probabilities, calibrated."""
        return self.of_logits(np.log(np.maximum(p, 1e-12)))

    def of_logits(self, log_p: np.ndarray) -> np.ndarray:
        """(n, whales) log probabilities -> (n, whales) probabilities, calibrated."""
        sharpened = special.softmax(log_p / self.temperature, axis=1)
        return (1 - self.weight) * sharpened + self.weight * self.prior


def smoothing(count: int) -> float:
    """The share of a target that is the prior's in a fit on `count` photos, by Laplace's rule of succession.

    It is the chance that the next answer is wrong where all of them were right. Without it, a few photos that are all
    named right would make an answer certain.
    """
    return 1 / (count + 2)


def fit(p: np.ndarray, label: np.ndarray, *, prior: np.ndarray) -> Calibration:
    """The calibration of least log loss, by targets that leave a little to other whales, see `smoothing`.

    Args:
        p: (n, whales) probabilities of photos that they were not learned from.
        label: (n,) their whales.
        prior: (whales,) share of each whale in the photos trained on, above 0.
    """
    share, log_p = smoothing(len(label)), np.log(np.maximum(p, 1e-12))

    def loss(free: np.ndarray) -> float:
        calibrated = Calibration(np.exp(free[0]), special.expit(free[1]), prior).of_logits(log_p)
        log_answer = np.log(np.maximum(calibrated, 1e-300))
        return -((1 - share) * log_answer[np.arange(len(label)), label] + share * log_answer @ prior).mean()

    minimum = optimize.minimize(loss, (0.0, -2.0), method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6})
    return Calibration(float(np.exp(minimum.x[0])), float(special.expit(minimum.x[1])), prior)


class Blend(NamedTuple):
    """Probabilities of a classifier and scores of a search as one answer: softmax(power log p + sharpness score)."""

    power: float
    sharpness: float

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """(n, 2 x whales) probabilities and, beside them, scores -> (n, whales) probabilities."""
        p, score = np.split(inputs, 2, axis=1)
        return special.softmax(self.power * np.log(np.maximum(p, 1e-12)) + self.sharpness * score, axis=1)


def fit_blend(inputs: np.ndarray, label: np.ndarray, *, prior: np.ndarray) -> Blend:
    """The blend of least log loss.

    Args:
        inputs: (n, 2 x whales) probabilities, and scores such as cosines, of photos that neither was learned from.
        label, prior: as for `fit`; the prior is not used.
    """

    def loss(free: np.ndarray) -> float:
        return -np.log(np.maximum(Blend(*np.exp(free))(inputs)[np.arange(len(label)), label], 1e-12)).mean()

    minimum = optimize.minimize(loss, (-0.7, 2.0), method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6})
    return Blend(*map(float, np.exp(minimum.x)))


class Dirichlet(NamedTuple):
    """A calibration after one by temperature and prior: p -> softmax(log p + log p change + bias).

    Kull et al., arXiv:1910.12656; every whale may borrow from every other. log p has its mean over whales removed.
    """

    base: Calibration
    change: np.ndarray
    bias: np.ndarray

    @property
    def temperature(self) -> float:
        """Of the base."""
        return self.base.temperature

    @property
    def weight(self) -> float:
        """Of the prior, in the base."""
        return self.base.weight

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """(n, whales) probabilities, calibrated."""
        log_p = _centred(self.base(p))
        return special.softmax(log_p + log_p @ self.change + self.bias, axis=1)


def fit_dirichlet(p: np.ndarray, label: np.ndarray, *, prior: np.ndarray, penalty: float = 10.0) -> Dirichlet:
    """The Dirichlet calibration of least log loss and penalty on its change and bias.

    There are more weights than photos: a heavy penalty leaves only the temperature, a light one overfits the photos.
    On right whales, with two photos a whale to fit it on, it never paid (log loss 5.11 at 10, 5.09 at infinity).

    Args:
        p: (n, whales) probabilities.
        label, prior: as for `fit`.
        penalty: times the sum of squares.
    """
    base = fit(p, label, prior=prior)
    log_p, count = _centred(base(p)), p.shape[1]
    target = np.eye(count)[label]

    def loss(free: np.ndarray) -> tuple[float, np.ndarray]:
        change, bias = free[:-count].reshape(count, count), free[-count:]
        logits = log_p + log_p @ change + bias
        error = (special.softmax(logits, axis=1) - target) / len(label)
        slope = np.concatenate([(log_p.T @ error).ravel(), error.sum(0)]) + 2 * penalty * free
        return -(special.log_softmax(logits, axis=1) * target).sum() / len(label) + penalty * (free**2).sum(), slope

    start = np.zeros(count * (count + 1))
    free = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 50}).x
    return Dirichlet(base, free[:-count].reshape(count, count), free[-count:])


def _centred(p: np.ndarray) -> np.ndarray:
    """(n, whales) log p less its mean over whales."""
    log_p = np.log(p)
    return log_p - log_p.mean(1, keepdims=True)


METHODS = {"temperature": fit, "dirichlet": fit_dirichlet}


def cross_fit(
    method: Callable,
    p: np.ndarray,
    *,
    label: np.ndarray,
    prior: np.ndarray,
    group: np.ndarray,
    num_subfolds: int = 5,
    ask: Callable[[Callable, np.ndarray, np.ndarray], np.ndarray] = lambda fitted, p, label: fitted(p),
) -> np.ndarray:
    """(n, whales) probabilities, each calibrated by a fit on photos of other groups.

    Args:
        method: one of METHODS, or any other (p, label, prior=) -> function of p.
        p: (n, whales) probabilities, or whatever else the method takes.
        label, prior: as for `fit`.
        group: (n,) int, equal for photos that belong together; two or more.
        num_subfolds: number of subfolds that the groups are cut into, if there are as many groups.
        ask: (what the method returns, p, label) -> the answers about some photos.
    """
    number = np.unique(group, return_inverse=True)[1]
    subfold = number % min(num_subfolds, number.max() + 1)
    answers, places = [], []
    for i in np.unique(subfold):
        rest, rows = subfold != i, np.flatnonzero(subfold == i)
        answers.append(ask(method(p[rest], label[rest], prior=prior), p[rows], label[rows]))
        places.append(rows)
    return np.concatenate(answers)[np.argsort(np.concatenate(places))]


def answer(
    method: Callable, inputs: np.ndarray, *, fit: np.ndarray, rows: np.ndarray, label: np.ndarray, **facts: Any
) -> np.ndarray:
    """(N, whales) probabilities of `rows` by a fit on the photos of `fit`, whose own are by a fit on other groups.

    A photo validated on has no part in the fit of its own answer, or its metrics would flatter.

    Args:
        method: see `cross_fit`.
        inputs: (N, ...) of all photos.
        fit: (n,) rows that it is fitted on.
        rows: (r,) rows to answer. Others, but those of `fit`, have NaN.
        label: (n,) whales of `fit`.
        facts: prior, group and num_subfolds of `cross_fit`.
    """
    p = np.full((len(inputs), len(facts["prior"])), np.nan)
    p[rows] = method(inputs[fit], label, prior=facts["prior"])(inputs[rows])
    p[fit] = cross_fit(method, inputs[fit], label=label, **facts)
    return p


def expected_error(p: np.ndarray, label: np.ndarray) -> float:
    """How far confidence is from accuracy, the mean over bins of equally many photos (Naeini et al., AAAI 2015).

    (n, whales) probabilities are of photos of (n,) whales.
    """
    confidence, accuracy, share = reliability(p, label)
    return float((share * abs(confidence - accuracy)).sum())


def reliability(p: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(bins,) mean confidence, accuracy and share of photos of bins of (almost) equally many photos, up to 15.

    Chance alone makes bins of few photos differ: a bin has a hundred at least, where there are so many.
    """
    confidence, right = p.max(1), p.argmax(1) == label
    bins = int(np.clip(len(label) // 100, 1, 15))
    rows = np.array_split(np.argsort(confidence, kind="stable"), bins)
    return tuple(np.array([[confidence[i].mean(), right[i].mean(), len(i) / len(label)] for i in rows]).T)
