"""Is the whale on a photo one of those that a run knows? Judged by how sure its likeliest answer is."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from whale_jax.evaluation import open_set


class Judge(NamedTuple):
    """What tells photos of unknown whales, fitted on photos that a run held out.

    Attributes:
        threshold: a photo whose `confidence` is below this is called new.
        error: the largest share of photos of known whales that this calls new.
        posterior: (n,) confidences -> (n,) probabilities that the whale is none of the run's.
    """

    threshold: float
    error: float
    posterior: Callable[[np.ndarray], np.ndarray]

    def verdicts(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) probabilities that the whale is none of the run's, and (n,) bool, which photos are called new.

        By (n, whales) probabilities of the whales, if it is one of them.
        """
        if not len(p):  # a regression takes no photos at all amiss
            return np.zeros(0), np.zeros(0, bool)
        sure = confidence(p)
        return self.posterior(sure), sure < self.threshold


def confidence(p: np.ndarray) -> np.ndarray:
    """(n,) logarithm of the likeliest whale's probability, of (n, whales)."""
    return np.log(np.maximum(p.max(1), 1e-12))


def fit(p: np.ndarray, p_unknown: np.ndarray, *, error: float, prior: float) -> Judge:
    """The judge by photos of known whales that nothing was learned from.

    No unknown whale is needed: where its whale is left out, a photo looks like one of an unknown whale.

    Args:
        p: (n, whales) probabilities.
        p_unknown: (n, whales - 1) those of the same photos if their whales were not there, see
            `fusion.Calibrated.without_whale`.
        error: the largest share of photos of known whales that may be called new.
        prior: the share of photos whose whale is assumed to be new.
    """
    posterior = open_set.fit_posterior(confidence(p), confidence(p_unknown), prior=prior)
    threshold = open_set.threshold(confidence(p), error=error)
    return Judge(threshold, error, posterior)
