"""Scores of "none of these": is the whale on a photo one of the catalogue's? All are high where it is.

An answer gives every photo, or every encounter, a number for each whale of the catalogue: logits, logarithms of
probabilities or cosines. Each score makes one number of it, in a unit of its own. The mean of ranks, or a regression,
makes one score of several.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy import special
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from whale_jax.evaluation import retrieval

FEW = 5  # photos most like a query that are in no cohort: they may be of its own whale


def probability(logits: np.ndarray) -> np.ndarray:
    """(n,) the probability of the likeliest whale, of (n, whales) logits (Hendrycks and Gimpel, arXiv:1610.02136)."""
    return special.softmax(logits, axis=1).max(1)


def energy(logits: np.ndarray) -> np.ndarray:
    """(n,) minus the free energy of (n, whales) logits, log sum exp (Liu et al., arXiv:2010.03759)."""
    return special.logsumexp(logits, axis=1)


def nearest(scores: np.ndarray) -> np.ndarray:
    """(n,) the highest of (n, whales) scores of a search."""
    return scores.max(1)


def gap(scores: np.ndarray) -> np.ndarray:
    """(n,) how far the first whale is ahead of the second, by (n, whales) scores of two whales or more."""
    second, first = np.partition(scores, -2, axis=1)[:, -2:].T
    return first - second


def margin(logits: np.ndarray) -> np.ndarray:
    """(n,) the `gap` of the probabilities of (n, whales) logits."""
    return gap(special.softmax(logits, axis=1))


def agreement(members: np.ndarray) -> np.ndarray:
    """(n,) minus the Jensen-Shannon divergence of (members, n, whales) logits: 0 where all say the same.

    It is the part of an ensemble's entropy that is due to disagreement (Lakshminarayanan et al., arXiv:1612.01474).
    """
    p = special.softmax(members, axis=-1)
    return special.entr(p).sum(-1).mean(0) - special.entr(p.mean(0)).sum(-1)


# Kind of an answer -> the scores that can be made of it.
SCORES: dict[str, dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    "logits": {"energy": energy, "probability": probability, "margin": margin},
    "probabilities": {"probability": probability, "margin": margin},
    "cosine": {"nearest": nearest, "gap": gap},
    "cohort": {"nearest by cohort": nearest, "gap by cohort": gap},
}


def by_cohort(
    queries: np.ndarray, gallery: np.ndarray, *, label: np.ndarray, whales: int, size: int = 200
) -> np.ndarray:
    """(n, whales) likeness to each whale's most similar photo, in deviations from what photos of other whales reach.

    The adaptive s-norm of speaker verification (Matejka et al., Interspeech 2017): a cosine less its cohort's mean,
    over its deviation, on average over two cohorts. The cohort of a photo of the gallery is the most similar photos of
    other whales. The cohort of a query is the photos of the gallery that are most similar to it, without the first FEW,
    which may show its own whale.

    Args:
        queries: (n, D) embeddings.
        gallery: (N, D).
        label: (N,) whales of the gallery, 0 to `whales` - 1, each at least once.
        whales: their number.
        size: of a cohort, at most.
    """
    order = np.argsort(label, kind="stable")
    queries, gallery, label = retrieval.unit(queries), retrieval.unit(gallery[order]), label[order]
    first, few = np.searchsorted(label, np.arange(whales)), min(FEW, len(gallery) - 1)
    moments = [
        _moments(np.where(label[rows, None] == label, -np.inf, gallery[rows] @ gallery.T), size=size)
        for rows in _blocks(len(gallery))
    ]
    mean, deviation = np.concatenate(moments, axis=1)
    scores = np.empty((len(queries), whales), np.float32)
    for rows in _blocks(len(queries)):
        cosines = queries[rows] @ gallery.T
        query_mean, query_deviation = _moments(cosines, size=size, skipped=few)[..., None]
        normalised = (cosines - mean) / deviation + (cosines - query_mean) / query_deviation
        scores[rows] = np.maximum.reduceat(normalised, first, axis=1) / 2
    return scores


def _blocks(count: int) -> list[slice]:
    """Slices of rows that are compared with a whole gallery at once."""
    return [slice(start, start + retrieval.QUERIES) for start in range(0, count, retrieval.QUERIES)]


def _moments(cosines: np.ndarray, *, size: int, skipped: int = 0) -> np.ndarray:
    """(2, n) mean and deviation of the `size` highest of (n, N) cosines, after the `skipped` highest of all.

    A cosine of -inf is of no photo, and each row has others.
    """
    count = min(skipped + size, cosines.shape[1])
    cohort = -np.sort(np.partition(-cosines, count - 1, axis=1)[:, :count], axis=1)[:, skipped:]
    cohort = np.where(np.isfinite(cohort), cohort, np.nan)
    deviation = np.where(np.isfinite(cohort).sum(axis=1) > 1, np.nanstd(cohort, axis=1), 1)  # a lone photo has none
    return np.stack([np.nanmean(cohort, axis=1), np.maximum(deviation, 1e-6)])


def ranks(score: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(n,) the share of (m,) scores of known whales that each score exceeds, from 0 to 1; a half of its equals."""
    ordered = np.sort(reference)
    places = np.searchsorted(ordered, score, side="left") + np.searchsorted(ordered, score, side="right")
    return places / (2 * len(ordered))


def fit_ranks(scores: np.ndarray, enrolled: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """One score of several: the mean of their ranks among known photos. It needs no photo of an unknown whale.

    Args:
        scores: (n, S).
        enrolled: (n,) bool, whose whale is.

    Returns:
        (m, S) -> (m,).
    """
    reference = scores[enrolled]
    return lambda scores: np.mean([ranks(*pair) for pair in zip(scores.T, reference.T, strict=True)], axis=0)


def fit_regression(scores: np.ndarray, enrolled: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """One score of several: a logistic regression, known against unknown; its log odds at equal shares of both.

    The arguments, (n, S) and (n,), are those of `fit_ranks`, and some photos are of unknown whales.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000))
    return model.fit(scores, enrolled).decision_function


JOINT = {"all: mean rank": fit_ranks, "all: regression": fit_regression}


def join(scores: Mapping[str, np.ndarray], enrolled: np.ndarray, *, subfold: np.ndarray) -> dict[str, np.ndarray]:
    """One (n,) score of several by each way of JOINT that can be fitted: without unknown whales, no regression.

    Args:
        scores: name -> (n,) scores of photos, of which the first m have a name.
        enrolled: (m,) bool.
        subfold: (m,) int, see `subfolds`. A photo with a name is judged by a fit on those of the other subfolds, one
            without a name by a fit on all.
    """
    columns, joint = np.stack(list(scores.values()), axis=1), {}
    named = columns[: len(enrolled)]
    for name, fit in JOINT.items():
        if fit is fit_regression and enrolled.all():
            continue
        joint[name] = fit(named, enrolled)(columns)
        for i in np.unique(subfold):
            inside = np.flatnonzero(subfold == i)
            joint[name][inside] = fit(named[subfold != i], enrolled[subfold != i])(named[inside])
    return joint


def subfolds(whale: np.ndarray, enrolled: np.ndarray, *, count: int) -> np.ndarray:
    """(n,) int subfolds, 0 to `count` - 1, of photos by their (n,) whales: known and unknown ones are dealt in turn."""
    subfold = np.empty(len(whale), int)
    for side in (enrolled, ~enrolled):
        subfold[side] = np.unique(whale[side], return_inverse=True)[1] % count
    return subfold


def rejection(
    score: np.ndarray, unknown_score: np.ndarray, *, group: np.ndarray, unknown_group: np.ndarray
) -> dict[str, float]:
    """How well a score separates photos of known whales from those of unknown ones: AUROC, and balanced accuracy.

    A photo is judged by the threshold that suits the photos of other subfolds best.

    Args:
        score, unknown_score: (K,) and (U,), such as the cosine of the nearest photo: high where a whale is known.
        group, unknown_group: (K,) and (U,) int, equal for photos that belong together.
    """
    truth = np.arange(len(score) + len(unknown_score)) < len(score)
    score = np.concatenate([score, unknown_score])
    subfold = subfolds(np.concatenate([group, unknown_group]), truth, count=5)
    accepted = np.zeros(len(score), bool)
    for i in np.unique(subfold):
        accepted[subfold == i] = score[subfold == i] >= balanced_threshold(score[subfold != i], truth[subfold != i])
    balanced = (accepted[truth].mean() + (~accepted[~truth]).mean()) / 2
    return {"unknown_auroc": float(roc_auc_score(truth, score)), "unknown_balanced": float(balanced)}


def balanced_threshold(score: np.ndarray, truth: np.ndarray) -> float:
    """The least of the (n,) scores to accept, for the highest balanced accuracy in telling the (n,) bool `truth`."""
    order = np.argsort(score, kind="stable")
    right = truth[order]
    refused = np.concatenate([[0], np.cumsum(~right)]) / max((~right).sum(), 1)  # of the false, if the first i are
    lost = np.concatenate([[0], np.cumsum(right)]) / max(right.sum(), 1)
    best = int(np.argmax(refused - lost))
    return float(np.append(score[order], np.inf)[best])
