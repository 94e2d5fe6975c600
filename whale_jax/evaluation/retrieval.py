"""Search by embeddings: queries against a gallery, by cosine.

Embeddings are (n, D) and need not have length 1. Nothing here takes memory for queries times gallery: `nearest` goes
through both in blocks, and functions that rank a whole gallery do so for some queries at a time.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.metrics import roc_auc_score

from whale_jax.evaluation import metrics

QUERIES = 256  # compared at once, where a whole row of the gallery is needed for each
AT_ONCE = 2048  # queries compared with a block of the gallery
Score = Callable[[np.ndarray], np.ndarray]  # (Q, D) queries -> (Q, whales), high where a whale is likely


def unit(vectors: np.ndarray) -> np.ndarray:
    """(n, D) float32 vectors brought to length 1; one of zeros stays."""
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def nearest(queries: np.ndarray, gallery: np.ndarray, *, k: int, block: int = 16384) -> tuple[np.ndarray, np.ndarray]:
    """The k most similar rows of the gallery for each query, most similar first.

    Args:
        queries: (Q, D).
        gallery: (N, D), k rows or more.
        k: number of rows to find.
        block: rows of the gallery compared at once.

    Returns:
        (Q, k) cosines and (Q, k) rows of the gallery.
    """
    chunks = [jnp.asarray(chunk) for chunk in np.split(unit(queries), range(AT_ONCE, len(queries), AT_ONCE))]
    best = [(jnp.full((len(chunk), k), -jnp.inf), jnp.full((len(chunk), k), -1)) for chunk in chunks]
    for first in range(0, len(gallery), block):
        rows = unit(gallery[first : first + block])
        padded = jnp.asarray(np.resize(rows, (block, rows.shape[1])) if len(gallery) > block else rows)
        best = [_better(top, chunk, padded, first, len(rows)) for top, chunk in zip(best, chunks, strict=True)]
    return tuple(np.concatenate(column) for column in zip(*best, strict=True))


@jax.jit
def _better(best, queries, block, first, count):
    """(Q, k) cosines and rows of the k best so far and of the first `count` rows of another block of the gallery."""
    rows = jnp.arange(len(block))
    cosines = jnp.where(rows < count, jnp.matmul(queries, block.T, precision="highest"), -jnp.inf)
    top, columns = jax.lax.top_k(cosines, min(best[0].shape[1], len(block)))
    candidates = jnp.concatenate([best[1], columns + first], axis=1)
    cosines, place = jax.lax.top_k(jnp.concatenate([best[0], top], axis=1), best[0].shape[1])
    return cosines, jnp.take_along_axis(candidates, place, axis=1)


def by_photo(gallery: np.ndarray, *, label: np.ndarray, whales: int, block: int = 16384) -> Score:
    """The cosine of a query and each whale's most similar photo; -1 of whales that the gallery lacks.

    Args:
        gallery: (N, D).
        label: (N,) whales of the gallery.
        whales: their number.
        block: photos of the gallery that are compared at once: a copy of more might not fit in memory.
    """
    order = np.argsort(label, kind="stable")

    def score(queries: np.ndarray) -> np.ndarray:
        scores = np.full((len(queries), whales), -1, np.float32)
        for rows in np.split(order, range(block, len(order), block)):
            present, first = np.unique(label[rows], return_index=True)
            vectors = unit(gallery[rows])
            for start in range(0, len(queries), QUERIES):
                chunk = slice(start, start + QUERIES)
                best = np.maximum.reduceat(unit(queries[chunk]) @ vectors.T, first, axis=1)
                scores[chunk, present] = np.maximum(scores[chunk, present], best)
        return scores

    return score


def by_prototype(gallery: np.ndarray, *, label: np.ndarray, whales: int) -> Score:
    """The cosine of a query and each whale's mean photo; -1 of whales that the gallery lacks.

    (N, D) gallery, (N,) labels and the number of whales are as for `by_photo`.
    """
    prototypes = np.zeros((whales, gallery.shape[1]), np.float32)
    for start in range(0, len(gallery), QUERIES):
        np.add.at(prototypes, label[start : start + QUERIES], unit(gallery[start : start + QUERIES]))
    prototypes, present = unit(prototypes), np.bincount(label, minlength=whales) > 0
    return lambda queries: np.where(present, unit(queries) @ prototypes.T, -1)


def by_photo_and_prototype(gallery: np.ndarray, *, label: np.ndarray, whales: int) -> Score:
    """The sum of both cosines: a whale is likely by one photo that is alike, and by all of its photos.

    (N, D) gallery, (N,) labels and the number of whales are as for `by_photo`.
    """
    photo, prototype = (way(gallery, label=label, whales=whales) for way in (by_photo, by_prototype))
    return lambda queries: photo(queries) + prototype(queries)


def average_precision(
    queries: np.ndarray, gallery: np.ndarray, *, query_label: np.ndarray, label: np.ndarray
) -> np.ndarray:
    """(Q,) mean, over the gallery's photos of a query's whale, of the precision down to each; 0 without any."""
    vectors, average = unit(gallery), np.zeros(len(queries))
    for start in range(0, len(queries), QUERIES):
        rows = slice(start, start + QUERIES)
        order = np.argsort(-(unit(queries[rows]) @ vectors.T), axis=1, kind="stable")
        right = label[order] == query_label[rows, None]
        precision = np.cumsum(right, axis=1) / np.arange(1, len(label) + 1)
        average[rows] = (precision * right).sum(1) / np.maximum(right.sum(1), 1)
    return average


def verification(
    queries: np.ndarray, gallery: np.ndarray, *, query_label: np.ndarray, label: np.ndarray, pairs: int = 10**6
) -> float:
    """Area under the ROC curve of "the same whale?" over pairs of a query and a photo of the gallery.

    Args:
        queries, gallery, query_label, label: (Q, D), (N, D), (Q,) and (N,).
        pairs: the largest number of pairs compared; if there are more, as many are drawn.
    """
    total = len(queries) * len(gallery)
    number = np.arange(total) if total <= pairs else np.random.default_rng(0).integers(0, total, pairs)
    q, g = np.divmod(number, len(gallery))
    same = query_label[q] == label[g]
    if same.all() or not same.any():
        return float("nan")
    vectors, cosine = unit(gallery), np.empty(len(number), np.float32)
    for start in range(0, len(queries), QUERIES):  # a whole product takes less time than rows picked for each pair
        drawn = (start <= q) & (q < start + QUERIES)
        cosine[drawn] = (unit(queries[start : start + QUERIES]) @ vectors.T)[q[drawn] - start, g[drawn]]
    return float(roc_auc_score(same, cosine))


def spread(vectors: np.ndarray) -> float:
    """Root mean square distance of (n, D) embeddings of length 1 from each other; near 0 where they have collapsed."""
    total, count = unit(vectors).sum(0, dtype=np.float64), len(vectors)
    return float(np.sqrt(max(2 - 2 * (total @ total - count) / max(count * (count - 1), 1), 0)))


def score(
    queries: np.ndarray, gallery: np.ndarray, *, query_label: np.ndarray, label: np.ndarray, whales: int
) -> dict[str, float]:
    """The metrics of a search: CMC at 1 and 5 by the nearest photo and by prototypes, mAP, AUROC, spread.

    Queries of whales that the gallery lacks are left out: no search could find them. If no query is left, only the
    spread of the embeddings is measured.

    Args:
        queries, gallery: (Q, D) and (N, D) embeddings.
        query_label, label: (Q,) and (N,) their whales.
        whales: number of all.
    """
    answerable = np.isin(query_label, label)
    queries, query_label = queries[answerable], query_label[answerable]
    if not len(queries):
        return {"spread": spread(gallery)}
    references = {"label": label, "whales": whales}
    return {
        **cmc(by_photo(gallery, **references)(queries), query_label),
        **cmc(by_prototype(gallery, **references)(queries), query_label, prefix="prototype_"),
        **likeness(queries, gallery, query_label=query_label, label=label),
    }


def cmc(scores: np.ndarray, label: np.ndarray, *, prefix: str = "") -> dict[str, float]:
    """The cumulative match characteristic of (Q, whales) scores at 1 and 5, as "top1" and "top5" behind the prefix."""
    return {f"{prefix}top{k}": float(metrics.top_k(scores, label, k=k).mean()) for k in (1, 5)}


def likeness(
    queries: np.ndarray, gallery: np.ndarray, *, query_label: np.ndarray, label: np.ndarray
) -> dict[str, float]:
    """The metrics of embeddings that depend on no way to name a whale: mAP, AUROC and spread.

    Photos that are all of one whale have no AUROC.

    Args:
        queries, gallery: (Q, D) and (N, D) embeddings.
        query_label, label: (Q,) and (N,) their whales.
    """
    auroc = verification(queries, gallery, query_label=query_label, label=label)
    return {
        "map": float(average_precision(queries, gallery, query_label=query_label, label=label).mean()),
        **({} if np.isnan(auroc) else {"auroc": auroc}),
        "spread": spread(np.concatenate([queries, gallery])),
    }
