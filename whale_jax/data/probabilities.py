"""Probabilities of whales: probabilities.npz, an array (N, whales) for each source, such as "network".

It passes from the stages stack, blend and fuse to those that read probabilities, and knows the names of its photos and
whales.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from whale_jax.data import predictions
from whale_jax.data.right_whale import Photos
from whale_jax.runtime import errors, storage

FILE = "probabilities.npz"
PHOTO, WHALE = "photo", "whale"  # the keys of the rows' and the columns' names; all others are sources


def save(folder: str | Path, photos: Photos, *, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes (N, whales) probabilities of N photos by source, NaN where there is none, with all names."""
    names = {PHOTO: photos.name, WHALE: np.array(photos.whales, dtype=str)}
    storage.savez(Path(folder) / FILE, **names, **arrays)


def load(folder: str | Path, photos: Photos) -> dict[str, np.ndarray]:
    """The (N, whales) probabilities of these photos by source.

    A file from before names were written is read if its arrays have the right shape.

    Raises:
        InputError: a file that is missing, damaged, or of other photos or whales.
    """
    path = Path(folder) / FILE
    with storage.reading(path), np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    names, whales = arrays.pop(PHOTO, photos.name), arrays.pop(WHALE, np.array(photos.whales, dtype=str))
    predictions.expect_photos(path, names, photos=photos)
    if whales.tolist() != list(photos.whales):
        columns = [{name: i for i, name in enumerate(side)} for side in (whales.tolist(), photos.whales)]
        message = f"{path} is of other whales than the photos, or in another order (- in the file, + of the photos):"
        raise errors.InputError(errors.listed(message, errors.differences(*columns)))
    shape = len(photos.name), len(photos.whales)
    for name, array in arrays.items():
        if array.shape != shape:
            raise errors.InputError(
                f"{path}: {name} has the shape {array.shape}, and {shape[0]} photos of {shape[1]} whales were imported:"
                " make both from one import"
            )
    return arrays


def load_source(folder: str | Path, photos: Photos, *, source: str) -> np.ndarray:
    """(N, whales) probabilities of one source. One that the folder does not have raises InputError."""
    arrays = load(folder, photos)
    if source not in arrays:
        raise errors.unknown("source of probabilities", source, list(arrays))
    return arrays[source]
