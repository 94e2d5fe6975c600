"""Gallery and queries: which photos a search looks through, and which it is measured on."""

from typing import NamedTuple

import numpy as np

from whale_jax.data import splits
from whale_jax.data.right_whale import Photos
from whale_jax.runtime.errors import InputError


class Gallery(NamedTuple):
    """The rows of a search.

    Attributes:
        rows: (G,) photos that are searched: those to train on when the fold is held out.
        queries: (Q,) photos held out, each of a whale that the gallery shows.
        unlabelled: (U,) photos without a name, which a person asks about.
    """

    rows: np.ndarray
    queries: np.ndarray
    unlabelled: np.ndarray

    @property
    def named(self) -> np.ndarray:
        """(G + Q,) photos that are searched for those without a name: the queries know theirs."""
        return np.union1d(self.rows, self.queries)


def select(photos: Photos, split: splits.Split, *, fold: int, usable: np.ndarray) -> Gallery:
    """The rows of a search among the (N,) bool `usable` photos, by the fold that is held out.

    Raises:
        InputError: a query of a whale that the gallery lacks, or no query at all.
    """
    rows, queries = (side[usable[side]] for side in (splits.train_rows(split, fold), splits.measured_rows(split, fold)))
    unanswerable = queries[~np.isin(photos.label[queries], photos.label[rows])]
    if len(unanswerable):
        row = unanswerable[0]
        examples = f"{len(unanswerable)} photos, such as {photos.name[row]} of {photos.whales[photos.label[row]]}"
        raise InputError(
            f"{examples}, ask for whales of which the gallery has no photo: import or annotate more photos of them"
        )
    if not len(queries):
        raise InputError(f"config.fold = {fold} holds out no photo with features to ask the gallery about")
    return Gallery(rows, queries, np.flatnonzero(usable & (photos.label < 0)))


def rare(label: np.ndarray, gallery: Gallery, *, most: int) -> np.ndarray:
    """(Q,) bool, which queries show a whale with at most `most` photos in the gallery; (N,) `label` of every photo."""
    return np.bincount(label[gallery.rows], minlength=label.max() + 1)[label[gallery.queries]] <= most
