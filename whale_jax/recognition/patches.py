"""Heads compared patch by patch, whatever small shifts lie between two of them.

The evidence of two heads is what their patches say: (F,) numbers, three a patch, with those of one kind together. They
are the correlation at the best shift, how much it varies over all shifts, and how far the best shift is from that of
most patches, in pixels.
"""

import numpy as np

from whale_jax.data import images
from whale_jax.evaluation import phase
from whale_jax.runtime import progress, threads

NUMBERS = 3 * len(phase.patches(phase.SIZE))  # of the evidence of two heads
Heads = tuple[images.View, np.ndarray]  # a view, and (n,) rows of it


def look(queries: Heads, gallery: list[Heads], *, references: list[np.ndarray], title: str) -> list[np.ndarray]:
    """The evidence of each head that asks and each of its references, see `compare`.

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
    """(m, F) float16 evidence of each query and its m references.

    It goes through all photos patch by patch, which takes little memory: the phases of all patches are twenty times as
    large as their pictures.

    Args:
        pictures: (M, height, width) outlines of heads.
        queries: (n,) rows of them.
        references: n arrays of (m,) rows of them.
        title: of the progress bar.
    """
    patches = phase.patches(pictures.shape[1:])
    evidence = [np.zeros((3, len(patches), len(photo)), np.float16) for photo in references]
    with progress.bar(len(patches) * len(queries), title=title, unit="patches") as bar:
        for i, patch in enumerate(patches):
            phases = phase.spectra(pictures[:, *patch])
            for (peak, spread, best), row, photo in zip(evidence, queries, references, strict=True):
                surface = phase.correlation(phases[row], phases[photo])
                best[i] = surface.argmax(1)  # a whole number below 2048, which float16 holds
                peak[i], spread[i] = surface.max(1), surface.std(1)
                bar.update()
    for _, _, best in evidence:
        shifts = phase.SHIFTS[best.astype(int)]
        best[:] = np.linalg.norm(shifts - np.median(shifts, axis=0, keepdims=True), axis=2)
    return [np.moveaxis(kinds, 2, 0).reshape(kinds.shape[2], -1) for kinds in evidence]


def outlines(view: images.View, rows: np.ndarray) -> np.ndarray:
    """(n, height, width) outlines of the pictures of (n,) rows of a view."""
    if not len(rows):
        return np.zeros((0, *phase.SIZE), np.float32)
    blocks = np.array_split(rows, -(-len(rows) // 64))
    return np.concatenate(list(threads.ahead(lambda block: outline(view, block), blocks)))


def outline(view: images.View, rows: np.ndarray) -> np.ndarray:
    """(n, height, width) outlines of the pictures of a few rows."""
    return phase.outlines(np.stack([images.grey(view.images[row], phase.SIZE) for row in rows]))
