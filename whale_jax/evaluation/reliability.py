"""How far answers can be trusted, by those to validation photos, whose whales are known: what a person can check."""

from typing import NamedTuple

import numpy as np

from whale_jax.evaluation.probabilities import ranks

NEIGHBOURS = 100  # validation answers that are compared with an answer
FEWEST = 20  # of fewer, nothing is said


class Reliability(NamedTuple):
    """What came of the answers to n validation photos, of whales that the run knows.

    Attributes:
        probability: (n,) of the likeliest whale of each.
        rank: (n,) int of the true whale among all, 1 for the likeliest.
    """

    probability: np.ndarray
    rank: np.ndarray


def measure(p: np.ndarray, label: np.ndarray) -> Reliability:
    """The reliability of finite (n, whales) probabilities, by the (n,) true whales; equals count against the true one.

    Nothing may have been fitted on the photos that they are of.
    """
    return Reliability(p.max(1), ranks(p, label))


def words(reliability: Reliability, probability: float) -> str:
    """How many of the validation answers about as sure as this one were right, in a sentence.

    They are the NEIGHBOURS around the place of its probability among theirs, half of them less sure and half surer. At
    an end there are too few on a side, and those on the other take their place: the answers as sure as the surest are
    the surest NEIGHBOURS. An answer among equal ones stands in their middle; which of equals are neighbours is decided
    by the order of the photos. Where there are no more than NEIGHBOURS, they are all, and the sentence says so.

    Args:
        reliability: of n validation photos.
        probability: of the likeliest whale, if the whale is one that the run knows.

    Returns:
        The sentence; "" for fewer than FEWEST photos, and for a probability that is NaN.
    """
    total = len(reliability.rank)
    if total < FEWEST or np.isnan(probability):
        return ""
    order = np.argsort(reliability.probability, kind="stable")
    ordered, count = reliability.probability[order], min(NEIGHBOURS, total)
    low, high = (int(np.searchsorted(ordered, probability, side=side)) for side in ("left", "right"))
    start = min(max((low + high - count) // 2, 0), total - count)
    right = int((reliability.rank[order[start : start + count]] == 1).sum())
    if total <= NEIGHBOURS:
        return f"Of {total} photos of known whales, sure and unsure together, the run was right on {right}."
    return f"On {count} photos of known whales the run was about as sure, and right on {right} of them."


def cmc(reliability: Reliability, most: int = 20) -> list[float]:
    """The share of validation photos whose whale is among the first k, for k = 1..most; of one photo or more.

    It is the cumulative match characteristic: how many candidates a person must look at.
    """
    return [float((reliability.rank <= k).mean()) for k in range(1, most + 1)]
