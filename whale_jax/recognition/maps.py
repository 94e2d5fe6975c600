"""The evidence of two heads in the map of a network's layer: how alike they are in each of its cells.

Callosities of a head that is seen from another side lie a little elsewhere, so each cell is compared with those next to
it as well, and what counts is the most alike.
"""

import functools
from typing import NamedTuple

import numpy as np

from whale_jax.evaluation.retrieval import unit
from whale_jax.runtime import errors, progress

POOLED = 2  # cells down and across whose likeness is one number
AT_ONCE = 64  # photos that are compared with all of a gallery: with 4,000 heads, 9 MB for a cell


class Cells(NamedTuple):
    """Turns features into maps. From each cell the mean over all heads is subtracted, and the rest has length 1.

    Attributes:
        mean: (rows, columns, channels) float32.
        sides: of a photo (itself, its mirror image) that the features hold one after the other; the first is used.
    """

    mean: np.ndarray
    sides: int

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, D) features -> (n, rows, columns, channels) float16."""
        maps = np.empty((len(features), *self.mean.shape), np.float16)
        for row, photo in zip(maps, features, strict=True):
            cells = photo[: self.mean.size].reshape(self.mean.shape) - self.mean
            row[:] = unit(cells.reshape(-1, cells.shape[-1])).reshape(cells.shape)
        return maps


def fit(features: np.ndarray, *, grid: tuple[int, int], sides: int = 1) -> Cells:
    """By (n, D) features of heads that are searched, of a map of (rows, columns).

    Features that are not of such a map, and an odd number of rows or columns, raise InputError.
    """
    rows, columns = grid
    if rows % POOLED or columns % POOLED or features.shape[1] % (sides * rows * columns):
        raise errors.InputError(
            f"config.grid is {rows} x {columns}: features of {features.shape[1]} numbers and {sides} sides "
            "are no such map, of an even number of rows and of columns"
        )
    mean = features[:, : features.shape[1] // sides].mean(0, dtype=np.float32)
    return Cells(mean.reshape(rows, columns, -1), sides)


def compare(queries: np.ndarray, gallery: np.ndarray, *, references: list[np.ndarray], title: str) -> list[np.ndarray]:
    """(m, F) float16 evidence of each query and its m references: the mean likeness of each POOLED x POOLED cells.

    Args:
        queries: (n, rows, columns, channels) maps, see `Cells`.
        gallery: (G, rows, columns, channels) maps.
        references: n arrays of (m,) rows of the gallery.
        title: of the progress bar.
    """
    evidence = []
    with progress.bar(len(queries), title=title, unit="photos") as bar:
        for start in range(0, len(queries), AT_ONCE):
            likeness = pooled(queries[start : start + AT_ONCE], gallery)
            for i in range(likeness.shape[2]):
                evidence.append(np.float16(likeness[:, references[start + i], i].T))
                bar.update()
    return evidence


def pooled(queries: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """(F, G, n) likeness of n maps and G others, F parts of either: cosines of cells at the best shift of one cell."""
    count, rows, columns, channels = queries.shape
    around = np.pad(np.float32(queries), ((0, 0), (1, 1), (1, 1), (0, 0)))
    likeness = np.zeros((rows // POOLED, columns // POOLED, len(gallery), count), np.float32)
    for row, column in np.ndindex(rows, columns):
        near = around[:, row : row + 3, column : column + 3].reshape(count, 9, channels)
        cosines = np.float32(gallery[:, row, column]) @ near.transpose(1, 0, 2).reshape(-1, channels).T
        shifts = cosines.reshape(len(gallery), 9, count).swapaxes(0, 1)
        likeness[row // POOLED, column // POOLED] += functools.reduce(np.maximum, shifts)  # twice as fast as max(0)
    return likeness.reshape(rows * columns // POOLED**2, len(gallery), count) / POOLED**2
