"""Predictions of networks: predictions.npz, a row a photo, which knows the photos' names."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from whale_jax.data.right_whale import Photos
from whale_jax.runtime import storage
from whale_jax.runtime.errors import InputError

FILE, NAMES = "predictions.npz", "photo"


def save(folder: str | Path, photos: Photos, *, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes (N, ...) arrays, such as "points", "box", "logits" or "features", of N photos; NaN where there is none."""
    storage.savez(Path(folder) / FILE, **{NAMES: photos.name}, **arrays)


def kinds(folder: str | Path) -> list[str]:
    """The kinds of predictions in a folder that `load` can read, such as "logits"."""
    with storage.reading(Path(folder) / FILE) as path, np.load(path) as file:
        return sorted({*file.files} - {NAMES})


def load(folder: str | Path, photos: Photos, *, kind: str) -> np.ndarray:
    """(N, ...) predictions of one kind, such as "logits", for N photos.

    Raises:
        InputError: a file that is missing, damaged or of other photos, or has no predictions of this kind.
    """
    path = Path(folder) / FILE
    with storage.reading(path), np.load(path) as file:
        content = {key: file[key] for key in file.files if key in (NAMES, kind)}
        kinds, names = " and ".join(sorted({*file.files} - {NAMES})), content.pop(NAMES)
    if kind not in content:
        raise InputError(f"{path} has {kinds}, not the {kind} needed here: was it made for the right task?")
    expect_photos(path, names, photos=photos)
    return content[kind]


def expect_photos(path: Path, names: np.ndarray, *, photos: Photos) -> None:
    """Raises InputError where the (N,) `names` in a file are not those of the photos, in the same order."""
    if np.array_equal(names, photos.name):
        return
    unshared = sorted({*names.tolist()} ^ {*photos.name.tolist()})
    difference = f"{len(unshared)} are not in both, such as {', '.join(unshared[:3])}" if unshared else "another order"
    raise InputError(f"{path} is of other photos than those imported ({difference}): make both from one import")
