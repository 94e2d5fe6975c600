"""Local descriptors of heads: nothing is trained."""

from collections.abc import Callable

import numpy as np
from ml_collections import ConfigDict
from skimage import feature

from whale_jax.data import images
from whale_jax.runtime import progress, registry, threads

CELL = 8  # pixels, the sides of a square in which gradients are counted


def describe(config: ConfigDict, view: images.View, *, rows: slice, title: str) -> np.ndarray:
    """(n, D) float16 features of some rows of a view, NaN where there is no picture; three digits are enough."""
    descriptor, size = registry.lookup("descriptor", DESCRIPTORS, config.descriptor), tuple(config.size)
    pictured = view.pictured[rows]
    numbers = np.flatnonzero(pictured)
    length = len(descriptor(np.zeros(size, np.uint8)))
    features = np.full((len(pictured), length), np.nan, np.float16)
    pictures = (view.images[rows.start + number] for number in numbers)
    vectors = threads.ahead(lambda picture: descriptor(images.grey(picture, size)), pictures)
    bar = progress.bar(len(numbers), title=title, unit="photos", items=vectors)
    for number, values in zip(numbers, bar, strict=True):
        features[number] = values
    return features


def hog(picture: np.ndarray) -> np.ndarray:
    """(D,) histograms of oriented gradients of a (height, width) picture (Dalal and Triggs, CVPR 2005).

    9 directions in cells of 8 x 8 pixels, each normalised in the blocks of 2 x 2 cells that it is a part of.
    """
    return feature.hog(picture, orientations=9, pixels_per_cell=(CELL, CELL), cells_per_block=(2, 2))


DESCRIPTORS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"hog": hog}
