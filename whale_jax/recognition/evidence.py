"""The evidence of two heads, by which re-ranking tells whether they are of one whale: patches and maps.

It is (F,) numbers: those of `patches`, and after them, where a network has seen the heads, those of `maps`.
"""

from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import images
from whale_jax.recognition import maps, patches
from whale_jax.recognition.maps import Cells
from whale_jax.recognition.query import Source
from whale_jax.recognition.verifier import Verifier, mean

PLAIN: Verifier = mean(patches.COUNT)  # what evidence tells where nothing was learned: the mean of all patches


class Heads(NamedTuple):
    """What is compared of n heads.

    Attributes:
        outlines: (n, height, width) float32 of their pictures.
        cells: (n, rows, columns, channels) float16 of a network's layer; None without one.
    """

    outlines: np.ndarray
    cells: np.ndarray | None

    def select(self, rows: np.ndarray) -> "Heads":
        """Some of the heads, by (m,) rows."""
        return Heads(self.outlines[rows], None if self.cells is None else self.cells[rows])


class HeadSource(NamedTuple):
    """What a `rerank` compares of N photos.

    Attributes:
        view: their heads.
        features: (N, D) of a network's layer; None without one.
    """

    view: images.View
    features: np.ndarray | None

    @property
    def usable(self) -> np.ndarray:
        """(N,) bool: the photos with a picture and, where a network has seen them, features."""
        pictured = self.view.pictured
        return pictured if self.features is None else pictured & np.isfinite(self.features).all(1)

    def fit_cells(self, config: ConfigDict, *, rows: np.ndarray) -> Cells | None:
        """What makes maps of the features, by those of (n,) rows that are searched; None without features."""
        return None if self.features is None else maps.fit(self.features[rows], grid=config.grid, sides=config.sides)

    def heads(self, rows: np.ndarray, *, cells: Cells | None) -> Heads:
        """The heads of (n,) rows, whose maps are what `cells` makes of the features."""
        return Heads(patches.outlines(self.view, rows), None if self.features is None else cells(self.features[rows]))


def read(config: ConfigDict, source: Source) -> HeadSource:
    """What the `rerank` of a config compares of the photos of a source."""
    features = source.load(config.inputs.features, "features") if config.inputs.features else None
    return HeadSource(source.view(config.inputs.view), features)


def join(groups: list[Heads]) -> Heads:
    """Several groups of heads, one after the other."""
    cells = None if groups[0].cells is None else np.concatenate([group.cells for group in groups])
    return Heads(np.concatenate([group.outlines for group in groups]), cells)


def compare(queries: Heads, gallery: Heads, *, references: list[np.ndarray], title: str) -> list[np.ndarray]:
    """(m, F) float16 evidence of each of n queries and its references: n arrays of (m,) rows of the gallery."""
    used = np.unique(np.concatenate(references))
    searched = gallery.select(used)
    references = [np.searchsorted(used, rows) for rows in references]
    evidence = patches.compare(queries.outlines, searched.outlines, references=references, title=title)
    if queries.cells is None:
        return evidence
    by_maps = maps.compare(queries.cells, searched.cells, references=references, title=f"{title}, maps")
    return [np.concatenate(numbers, axis=1) for numbers in zip(evidence, by_maps, strict=True)]
