"""Probabilities of whales, brought into a form that can be submitted, and their metrics."""

import numpy as np
from scipy import special

from whale_jax.evaluation import metrics


def normalise(p: np.ndarray, *, floor: float = 0.0) -> np.ndarray:
    """(..., whales) probabilities of at least about `floor`, each row summing to 1.

    Rows that are not finite, of photos that no network has seen, become uniform.
    """
    p = np.where(np.isfinite(p), p, 1 / p.shape[-1]).astype(np.float64)
    p = np.maximum(p, floor)
    return p / p.sum(-1, keepdims=True)


def likeliest(scores: np.ndarray, count: int) -> np.ndarray:
    """(..., count) whales with the highest of (..., whales) scores, the likeliest first; of equals the first."""
    return np.argsort(-scores, axis=-1, kind="stable")[..., :count]


def ranks(p: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(n,) int place of each (n,) true whale in (n, whales) probabilities, from 1; equals come before it."""
    return (p >= p[np.arange(len(label)), label][:, None]).sum(1)


def of_groups(p: np.ndarray, group: np.ndarray, *, mean: bool = False) -> np.ndarray:
    """(n, whales) probabilities of photos of one whale a group, such as an encounter: their product, summing to 1.

    A photo without an answer (NaN) has that of its group, and a group of such photos has none. Photos are taken as
    independent; those of a burst are not, so the answer of many like photos is surer than it should be.

    Args:
        p: (n, whales) probabilities of each photo by itself.
        group: (n,) int, equal for photos of one whale.
        mean: take the geometric mean instead, which names the same whale and is no surer than its photos: what a
            threshold for single photos can be held against.
    """
    finite, number = np.isfinite(p).all(1), np.unique(group, return_inverse=True)[1]
    total = np.zeros((number.max(initial=-1) + 1, p.shape[1]))
    np.add.at(total, number[finite], np.log(np.maximum(p[finite], 1e-12)))
    count = np.bincount(number[finite], minlength=len(total))
    answer = special.softmax(total / np.maximum(count, 1)[:, None] if mean else total, axis=1)
    answer[count == 0] = np.nan
    return answer[number]


def score(p: np.ndarray, label: np.ndarray, *, floor: float = metrics.KAGGLE_CLIP) -> dict[str, float]:
    """Log loss, top-1 and top-5 of (n, whales) probabilities over the rows whose (n,) label is 0 or more."""
    labelled = label >= 0
    p, label = normalise(p, floor=floor)[labelled], label[labelled]
    rank = ranks(p, label)
    return {
        "log_loss": float(-np.log(p[np.arange(len(label)), label]).mean()),
        "top1": float((rank <= 1).mean()),
        "top5": float((rank <= 5).mean()),
    }
