"""How far an answer can be trusted, in words that a person can check, by the photos that a run held out."""

from typing import NamedTuple

import numpy as np

AS_SURE = 100  # answers that are counted
FEWEST = 20  # of which words can be made


class Reliability(NamedTuple):
    """The answers for n photos that nothing was learned from.

    Attributes:
        probability: (n,) of the likeliest whale.
        rank: (n,) int, of the true whale; 1 is the likeliest.
    """

    probability: np.ndarray
    rank: np.ndarray


def measure(p: np.ndarray, label: np.ndarray) -> Reliability:
    """The reliability of (n, whales) probabilities, by (n,) true whales; among equal ones the rank is the worst."""
    truth = p[np.arange(len(p)), label]
    return Reliability(p.max(1), (p >= truth[:, None]).sum(1))


def as_sure(reliability: Reliability, probability: float) -> tuple[int, int]:
    """How many answers were about as sure as this one, and for how many of these the likeliest whale was the right one.

    They are the AS_SURE answers around its place in the order of probabilities, half of them on each side; at the ends,
    the AS_SURE that are most sure, or least.
    """
    order = np.argsort(reliability.probability, kind="stable")
    count = min(AS_SURE, len(order))
    place = np.searchsorted(reliability.probability[order], probability)
    start = int(np.clip(place - count // 2, 0, len(order) - count))
    return count, int((reliability.rank[order[start : start + count]] == 1).sum())


def words(count: int, right: int) -> str:
    """A sentence on what `as_sure` counted; "" where it is too little."""
    if count < FEWEST:
        return ""
    verb = "was" if right == 1 else "were"
    return f"Of {count} answers about as sure as this one, {right} {verb} right on validation."


def cmc(reliability: Reliability, *, most: int = 20) -> list[float]:
    """The share of photos whose whale is among the first k candidates, for k = 1 to `most`: the CMC."""
    return [float((reliability.rank <= k).mean()) for k in range(1, most + 1)]
