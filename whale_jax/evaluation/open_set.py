"""What a score of "none of these" is worth, and what follows from it: a threshold with a stated error, a probability.

A score is high where the whale is known (`novelty`). A photo is called new where its score is low.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats
from sklearn.isotonic import IsotonicRegression


def auroc(score: np.ndarray, unknown_score: np.ndarray) -> float:
    """The chance that a known photo, of (K,) scores, is above an unknown one, of (U,); equals count half."""
    rank = stats.rankdata(np.concatenate([score, unknown_score]))[: len(score)]
    return float((rank.sum() - len(score) * (len(score) + 1) / 2) / (len(score) * len(unknown_score)))


def false_new(score: np.ndarray, unknown_score: np.ndarray) -> float:
    """The share of (K,) known photos called new at the threshold that finds 90 % of (U,) unknown ones: FPR at a TPR.

    A photo is called new at the threshold or below it.
    """
    return float((score <= np.quantile(unknown_score, 0.9, method="inverted_cdf")).mean())


MEASURES = {"auroc": auroc, "false_new": false_new}


def measure(
    score: np.ndarray, enrolled: np.ndarray, *, whale: np.ndarray, right: np.ndarray | None = None, draws: int = 200
) -> dict[str, Any]:
    """The MEASURES of (n,) scores, each with its 95 % interval as "..._interval".

    Where `right` is given, also "top1" of known photos, and the AUROC of those named right and of those named wrong.
    A photo that is not recognised looks as one of an unknown whale does, so what top-1 leaves bounds the AUROC.

    Args:
        score: (n,).
        enrolled: (n,) bool; both kinds occur.
        whale: (n,) int; the interval is over whales.
        right: (n,) bool, whether the likeliest whale is the true one.
        draws: number of bootstrap samples.
    """
    sides, whales, measured = (score[enrolled], score[~enrolled]), (whale[enrolled], whale[~enrolled]), {}
    for name, function in MEASURES.items():
        measured[name] = function(*sides)
        measured[f"{name}_interval"] = interval(function, sides, whales=whales, draws=draws)
    if right is not None:
        measured["top1"] = float(right[enrolled].mean())
        for name, side in (("right", enrolled & right), ("wrong", enrolled & ~right)):
            if side.any():
                measured[f"auroc_{name}"] = auroc(score[side], sides[1])
    return measured


def interval(
    function: Callable[[np.ndarray, np.ndarray], float],
    sides: tuple[np.ndarray, np.ndarray],
    *,
    whales: tuple[np.ndarray, np.ndarray],
    draws: int,
) -> list[float]:
    """The 95 % interval of a measure, by a bootstrap that draws whales: photos of one whale are alike.

    Args:
        function: one of MEASURES.
        sides: (K,) scores of known whales, (U,) of unknown ones.
        whales: (K,) and (U,) int.
        draws: number of samples.
    """
    rng, rows_of, values = np.random.default_rng(0), [rows_by_whale(side) for side in whales], np.empty(draws)
    for i in range(draws):
        drawn = [np.concatenate([rows[j] for j in rng.integers(0, len(rows), len(rows))]) for rows in rows_of]
        values[i] = function(*(side[rows] for side, rows in zip(sides, drawn, strict=True)))
    return np.quantile(values, (0.025, 0.975)).tolist()


def rows_by_whale(whale: np.ndarray) -> list[np.ndarray]:
    """The rows of each whale, by (n,) whales in the order of their numbers."""
    return np.split(np.argsort(whale, kind="stable"), np.unique(np.sort(whale), return_index=True)[1][1:])


def encounters(name: np.ndarray, whale: np.ndarray, *, size: int) -> np.ndarray:
    """(n,) int encounters of photos by their (n,) names of encounters and whales; -1 of photos that are left out.

    Photos of one encounter and one whale belong together; a photo without an encounter, "", is left out. Where no photo
    has one, encounters of exactly `size` photos of a whale are made up, so that known and unknown whales are pooled
    alike; what remains of a whale is left out.
    """
    number = np.full(len(whale), -1)
    if (present := name != "").any():
        pairs = np.stack([whale.astype(str), name], axis=1)[present]
        number[present] = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)
        return number
    for rows in rows_by_whale(whale):
        rows = rows[: len(rows) // size * size]
        number[rows] = rows[::size].repeat(size)
    return number


def pool(answer: np.ndarray, encounter: np.ndarray) -> np.ndarray:
    """(E, whales) mean of (n, whales) logits or cosines over the photos of each encounter, in order of their numbers.

    The whale is one and the same, so its score is a mean over photos first, and the best of whales is taken then.
    """
    _, number, count = np.unique(encounter, return_inverse=True, return_counts=True)
    total = np.zeros((len(count), answer.shape[1]))
    np.add.at(total, number, answer)
    return total / count[:, None]


def threshold(score: np.ndarray, *, error: float) -> float:
    """The score below which a photo is called new, so that a known one is with probability `error` at most.

    Split conformal prediction (Vovk et al., 2005; Angelopoulos and Bates, arXiv:2107.07511, section 1): of n + 1 photos
    that could change places, the new one is among the k lowest with probability k / (n + 1). Where photos are too few
    for so small an error it is -inf: nothing is called new.

    Args:
        score: (n,) of photos of known whales that were not learned from.
        error: the largest share of photos of known whales to be called new.
    """
    k = int(np.floor(error * (len(score) + 1) + 1e-9))
    return float(np.sort(score)[k - 1]) if k else -np.inf


def p_value(score: np.ndarray, known_score: np.ndarray) -> np.ndarray:
    """(n,) the conformal p-value of "this whale is known", by (m,) scores of known whales that were not learned from.

    It is at most `error` just where the score is below the `threshold` of that error.
    """
    return (1 + np.searchsorted(np.sort(known_score), score, side="right")) / (len(known_score) + 1)


def fit_posterior(score: np.ndarray, unknown_score: np.ndarray, *, prior: float) -> Callable[[np.ndarray], np.ndarray]:
    """The probability of "none of these", by Bayes: the share of unknown whales among photos of a score.

    It falls with the score, by isotonic regression (Zadrozny and Elkan, KDD 2002) on the photos of both sides, which
    together weigh as much as they are assumed to occur. So that no score gives 0 or 1, a known photo is added at the
    lowest score and an unknown one at the highest. A score outside that range gets the probability at its nearer end.

    Args:
        score, unknown_score: (K,) and (U,).
        prior: the assumed share of photos whose whale is new.

    Returns:
        (n,) scores -> (n,) probabilities.
    """
    scores = np.concatenate([score, unknown_score])
    sides = np.append(score, scores.min()), np.append(unknown_score, scores.max())
    shares = [np.full(len(side), share / len(side)) for side, share in zip(sides, (1 - prior, prior), strict=True)]
    is_new = np.repeat([0.0, 1.0], [len(side) for side in sides])
    curve = IsotonicRegression(increasing=False, out_of_bounds="clip")
    return curve.fit(np.concatenate(sides), is_new, sample_weight=np.concatenate(shares)).predict
