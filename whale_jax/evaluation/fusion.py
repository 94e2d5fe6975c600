"""Scores of several members, such as logits of a network and cosines of a search, as one answer.

A member scores every whale for a photo, (n, members, whales) of all of them, in a unit of its own: only the differences
within a photo count. NaN, of a photo that a member has no picture of, says nothing for or against any whale. What is
fitted here is fitted on photos that no member has learned from.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, special
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from whale_jax.evaluation import calibration

Answer = Callable[[np.ndarray], np.ndarray]  # (n, members, whales) scores -> (n, whales) probabilities
LEAST = 1e-6  # probability that two photos show one whale, where no pair of such a score does


class Weights(NamedTuple):
    """softmax(bias + sum over members of weight x score): a product of what the members hold likely, each to a power.

    Attributes:
        weight: (members,), none below 0.
        bias: (whales,), what is held likely before any photo is seen, in logarithms.
    """

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """(n, members, whales) scores -> (n, whales) probabilities."""
        return special.softmax(np.einsum("m,nmw->nw", self.weight, centre(scores)) + self.bias, axis=1)


def centre(scores: np.ndarray) -> np.ndarray:
    """(n, members, whales) scores less their mean over whales; 0 for all whales where a score is not finite."""
    finite = np.isfinite(scores).all(2, keepdims=True)
    usable = np.where(finite, scores, 0.0).astype(np.float64)
    return usable - usable.mean(2, keepdims=True)


def scored(scores: np.ndarray) -> np.ndarray:
    """(n,) bool, which photos any member of (n, members, whales) scores."""
    return np.isfinite(scores).all(2).any(1)


def spread(scores: np.ndarray) -> np.ndarray:
    """(members,) standard deviations of (n, members, whales) scores, above 0."""
    return np.maximum(scores.std((0, 2)), 1e-12)


def fit_weights(scores: np.ndarray, label: np.ndarray, *, prior: np.ndarray) -> Weights:
    """The weights, none below 0, of least log loss. It is convex: a conditional logit model (McFadden, 1974).

    Targets leave a little to other whales, see `calibration.smoothing`.

    Args:
        scores: (n, members, whales).
        label: (n,) the whale of each photo.
        prior: (whales,) share of each whale in the photos trained on, above 0: its logarithm is one member more.
    """
    values = centre(np.concatenate([scores, np.broadcast_to(np.log(prior), (len(scores), 1, len(prior)))], axis=1))
    scale = spread(values)
    values /= scale[:, None]
    share = calibration.smoothing(len(label))
    truth = (1 - share) * values[np.arange(len(label)), :, label] + share * values @ prior

    def loss(weight: np.ndarray) -> tuple[float, np.ndarray]:
        logits = np.einsum("m,nmw->nw", weight, values)
        p = special.softmax(logits, axis=1)
        slope = np.einsum("nw,nmw->m", p, values) / len(label) - truth.mean(0)
        return (special.logsumexp(logits, axis=1) - truth @ weight).mean(), slope

    start = np.where(values.any((0, 2)), 1 / values.shape[1], 0.0)  # one that says nothing stays at 0
    minimum = optimize.minimize(loss, start, jac=True, bounds=[(0, None)] * len(start), method="L-BFGS-B")
    weight = minimum.x / scale
    return Weights(weight[:-1], weight[-1] * (np.log(prior) - np.log(prior).mean()))


def fit_regression(scores: np.ndarray, label: np.ndarray, *, prior: np.ndarray) -> Answer:
    """Logistic regression on the members' scores of a pair, photo and whale: does the photo show it? Sums to 1 a photo.

    (n, members, whales) scores and other arguments are as for `fit_weights`.
    """
    scale = spread(centre(scores))

    def pairs(scores: np.ndarray) -> np.ndarray:
        return np.moveaxis(centre(scores) / scale[:, None], 1, 2).reshape(-1, scores.shape[1])

    model = LogisticRegression(max_iter=1000).fit(pairs(scores), _same(scores, label))

    def answer(scores: np.ndarray) -> np.ndarray:
        log_p = special.log_expit(model.decision_function(pairs(scores)))  # finite, however small p is
        return special.softmax(log_p.reshape(len(scores), -1), axis=1)

    return answer


def fit_wildfusion(scores: np.ndarray, label: np.ndarray, *, prior: np.ndarray) -> Answer:
    """Each score by itself made the probability that the photo shows the whale, and their mean; sums to 1 a photo.

    A member that scores none of the photos has no say.

    By isotonic regression (Cermak et al., WildFusion, arXiv:2408.12934), here on the score of a whale in place of that
    of each of its photos. (n, members, whales) scores and other arguments are as for `fit_weights`.
    """
    usable, same = np.isfinite(scores).all(2), _same(scores, label).reshape(len(label), -1)
    curves = {
        i: IsotonicRegression(y_min=LEAST, out_of_bounds="clip").fit(scores[rows, i].ravel(), same[rows].ravel())
        for i, rows in enumerate(usable.T)
        if rows.any()
    }

    def answer(scores: np.ndarray) -> np.ndarray:
        finite = np.isfinite(scores).all(2) & np.isin(np.arange(scores.shape[1]), [*curves])
        p = np.zeros(scores.shape)
        for i, curve in curves.items():
            p[finite[:, i], i] = curve.predict(scores[finite[:, i], i].ravel()).reshape(-1, scores.shape[2])
        mean = np.maximum(p.sum(1) / np.maximum(finite.sum(1), 1)[:, None], LEAST)
        return mean / mean.sum(1, keepdims=True)

    return answer


class Calibrated(NamedTuple):
    """A fused answer, and the temperature and share of the prior that were fitted after it."""

    answer: Answer
    calibration: calibration.Calibration

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """(n, members, whales) scores -> (n, whales) probabilities."""
        return self.calibration(self.answer(scores))

    def without_whale(self, scores: np.ndarray, label: np.ndarray) -> np.ndarray:
        """(n, whales - 1) probabilities of the other whales, as if the whale of each photo were not among them.

        It is left out before the prior has its share: of a calibrated answer, a sure photo leaves little but the prior
        to other whales, and that looks less sure than an unknown one does.

        Args:
            scores: (n, members, whales).
            label: (n,) the whale of each photo.
        """
        p = np.maximum(self.answer(scores), 1e-300)
        sides = p, np.broadcast_to(self.calibration.prior, p.shape)
        rest = (side[np.arange(p.shape[1]) != label[:, None]].reshape(len(p), -1) for side in sides)
        p, prior = (side / side.sum(1, keepdims=True) for side in rest)
        return self.calibration._replace(prior=prior)(p)

    def enlarged(self, count: int) -> "Calibrated":
        """The same for scores of `count` more whales, each as likely beforehand as the rarest of its own.

        An answer that is no `Weights` raises TypeError: it has nothing to say of other whales.
        """
        if not isinstance(self.answer, Weights):
            raise TypeError("only an answer by weights can have more whales")
        sides = self.answer.bias, self.calibration.prior
        bias, prior = (np.pad(values, (0, count), constant_values=values.min()) for values in sides)
        return Calibrated(self.answer._replace(bias=bias), self.calibration._replace(prior=prior / prior.sum()))


def calibrated(method: Callable[..., Answer]) -> Callable[..., Calibrated]:
    """A way to fuse, of METHODS, after whose answer a temperature and a share of the prior are fitted."""

    def fit(scores: np.ndarray, label: np.ndarray, *, prior: np.ndarray) -> Calibrated:
        answer = method(scores, label, prior=prior)
        return Calibrated(answer, calibration.fit(answer(scores), label, prior=prior))

    return fit


def _same(scores: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(n * whales,) bool, whether the photo of a pair shows its whale."""
    return (np.arange(scores.shape[2]) == label[:, None]).ravel()


METHODS = {"weights": fit_weights, "regression": fit_regression, "wildfusion": fit_wildfusion}
