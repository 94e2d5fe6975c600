"""Heads compared patch by patch, whatever small shifts lie between two of them.

The evidence of two heads is what their patches say: (F,) numbers, three a patch, with those of one kind together. They
are the correlation at the best shift, how much it varies over all shifts, and how far the best shift is from that of
most patches, in pixels.
"""

from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from whale_jax.data import images
from whale_jax.evaluation import phase
from whale_jax.runtime import progress, threads

COUNT = len(phase.patches(phase.SIZE))  # of patches, whose peaks come first


def compare(queries: np.ndarray, gallery: np.ndarray, *, references: list[np.ndarray], title: str) -> list[np.ndarray]:
    """(m, F) float16 evidence of each query and its m references.

    It goes through all photos patch by patch, which takes little memory: the phases of all patches are three times as
    large as the outlines. Threads each compare a query: BLAS, whose own threads gain nothing on products so small and
    wait for one another, has one.

    Args:
        queries: (n, height, width) outlines of heads.
        gallery: (G, height, width) outlines of heads.
        references: n arrays of (m,) rows of the gallery.
        title: of the progress bar.
    """
    patches = phase.patches(gallery.shape[1:])
    evidence = [np.zeros((3, len(patches), len(photo)), np.float16) for photo in references]
    total = len(patches) * len(queries)
    with threadpool_limits(1, user_api="blas"), progress.bar(total, title=title, unit="patches") as bar:
        for i, patch in enumerate(patches):
            searched, asking = (phase.spectra(heads[:, *patch]) for heads in (gallery, queries))
            pairs = zip(asking, references, strict=True)
            for kinds, numbers in zip(evidence, threads.ahead(partial(peaks, gallery=searched), pairs), strict=True):
                kinds[:, i] = numbers
                bar.update()
    for _, _, best in evidence:
        shifts = phase.SHIFTS[best.astype(int)]
        best[:] = np.linalg.norm(shifts - np.median(shifts, axis=0, keepdims=True), axis=2)
    return [np.moveaxis(kinds, 2, 0).reshape(kinds.shape[2], 3 * len(patches)) for kinds in evidence]


def peaks(pair: tuple[np.ndarray, np.ndarray], gallery: np.ndarray) -> np.ndarray:
    """(3, m) evidence of one patch of a query and its references, the best shift last.

    Args:
        pair: (F,) phases of the query, and (m,) rows of the references.
        gallery: (G, F) phases.
    """
    query, references = pair
    surface = phase.correlation(query, gallery[references])
    return np.stack([surface.max(1), surface.std(1), surface.argmax(1)])  # places below 2048, which float16 holds


def outlines(view: images.View, rows: np.ndarray) -> np.ndarray:
    """(n, height, width) outlines of the pictures of (n,) rows of a view."""
    if not len(rows):
        return np.zeros((0, *phase.SIZE), np.float32)
    blocks = np.array_split(rows, -(-len(rows) // 64))
    return np.concatenate(list(threads.ahead(lambda block: outline(view, block), blocks)))


def outline(view: images.View, rows: np.ndarray) -> np.ndarray:
    """(n, height, width) outlines of the pictures of a few rows."""
    return phase.outlines(np.stack([images.grey(view.images[row], phase.SIZE) for row in rows]))
