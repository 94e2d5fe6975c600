"""Batches of a view, with what is known of each photo: shuffled for training, in order and padded for evaluation.

A training batch is a function of the step alone, so a run that is resumed at step s goes on with batch s.
"""

from collections.abc import Callable, Iterator

import grain
import numpy as np

from whale_jax.data.images import View
from whale_jax.data.right_whale import Photos

Example = dict[str, np.ndarray]


class Examples:
    """Row -> example: a random-access source of image, view, index, label, points, box and mask.

    Args:
        photos: N photos.
        view: their pictures and the matrices that made them.
    """

    def __init__(self, photos: Photos, view: View):
        self._images = view.images
        self._columns = {
            "view": np.asarray(view.matrices, np.float32),
            "index": np.arange(len(photos.name), dtype=np.int32),
            "label": np.asarray(photos.label, np.int32),
            "points": np.asarray(photos.points, np.float32),
            "box": np.asarray(photos.box, np.float32),
            "mask": np.ones(len(photos.name), np.float32),
        }

    def __getitem__(self, rows) -> Example:
        """One example, or a batch of them for an array of rows."""
        return {"image": np.asarray(self._images[rows]), **{name: value[rows] for name, value in self._columns.items()}}

    def __len__(self) -> int:
        return len(self._images)


def training(examples: Examples, rows: np.ndarray, *, batch: int, seed: int) -> Callable[[int], Example]:
    """step -> batch of `batch` rows, in an order that is drawn anew each epoch; batches run across epochs."""
    order = grain.MapDataset.source(rows).seed(seed).shuffle().repeat(None)
    return lambda step: examples[np.array([order[i] for i in range(step * batch, (step + 1) * batch)])]


def evaluation(examples: Examples, rows: np.ndarray, *, batch: int) -> Iterator[Example]:
    """All `rows` in order; the last batch is filled up with copies whose mask is 0."""
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        padded = examples[np.resize(part, batch)]
        padded["mask"] = (np.arange(batch) < len(part)).astype(np.float32)
        yield padded
