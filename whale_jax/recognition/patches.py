"""Heads compared patch by patch, whatever small shifts lie between two of them."""

import numpy as np

from whale_jax.data import images
from whale_jax.evaluation import phase
from whale_jax.runtime import progress, threads

Heads = tuple[images.View, np.ndarray]  # a view, and (n,) rows of it


def look(queries: Heads, gallery: list[Heads], *, references: list[np.ndarray], title: str) -> list[np.ndarray]:
    """How alike each head that asks is to each of its references, see `compare`.

    Args:
        queries: n heads.
        gallery: heads in views of any number, one after the other; it may hold the queries' view.
        references: n arrays of (m,) places of heads in the gallery.
        title: of the progress bar.
    """
    used, places = np.unique(np.concatenate(references)), 0
    pictures = []
    for view, rows in gallery:
        within = used[(places <= used) & (used < places + len(rows))] - places
        pictures.append(outlines(view, rows[within]))
        places += len(rows)
    pictures = np.concatenate([*pictures, outlines(*queries)])
    numbers = [np.searchsorted(used, place) for place in references]
    return compare(pictures, len(used) + np.arange(len(queries[1])), references=numbers, title=title)


def compare(pictures: np.ndarray, queries: np.ndarray, *, references: list[np.ndarray], title: str) -> list[np.ndarray]:
    """How alike each query is to each of its own references: the mean over patches of their correlations.

    It goes through all photos patch by patch, which takes little memory: the phases of all patches are twenty times as
    large as their pictures.

    Args:
        pictures: (M, height, width) outlines of heads.
        queries: (n,) rows of them.
        references: n arrays of (m,) rows of them.
        title: of the progress bar.
    """
    patches = phase.patches(pictures.shape[1:])
    likenesses = [np.zeros(len(photo), np.float32) for photo in references]
    with progress.bar(len(patches) * len(queries), title=title, unit="patches") as bar:
        for patch in patches:
            phases = phase.spectra(pictures[:, *patch])
            for likeness, row, photo in zip(likenesses, queries, references, strict=True):
                likeness += phase.correlation(phases[row], phases[photo]) / len(patches)
                bar.update()
    return likenesses


def outlines(view: images.View, rows: np.ndarray) -> np.ndarray:
    """(n, height, width) outlines of the pictures of (n,) rows of a view."""
    if not len(rows):
        return np.zeros((0, *phase.SIZE), np.float32)
    blocks = np.array_split(rows, -(-len(rows) // 64))
    return np.concatenate(list(threads.ahead(lambda block: outline(view, block), blocks)))


def outline(view: images.View, rows: np.ndarray) -> np.ndarray:
    """(n, height, width) outlines of the pictures of a few rows."""
    return phase.outlines(np.stack([images.grey(view.images[row], phase.SIZE) for row in rows]))


def answer(likeness: np.ndarray, label: np.ndarray, *, whales: int) -> np.ndarray:
    """(whales,) scores by (m,) likenesses to photos of (m,) labels: a whale's is the highest; all others' the mean."""
    scores = np.full(whales, -np.inf, np.float32)
    np.maximum.at(scores, label, likeness)
    compared = np.isfinite(scores)
    return np.where(compared, scores, scores[compared].mean() if compared.any() else 0)
