"""What networks said of photos: predictions.npz, a row a photo, which knows the photos' names."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from whale_jax.data.right_whale import Photos
from whale_jax.runtime import storage
from whale_jax.runtime.errors import InputError

FILE, NAMES = "predictions.npz", "photo"


def save(folder: Path, photos: Photos, found: Mapping[str, np.ndarray]) -> None:
    """Writes (N, ...) arrays, such as "points", "box", "logits" or "features", of N photos; NaN where there is none."""
    storage.savez(Path(folder) / FILE, **{NAMES: photos.name}, **found)


def kinds(folder: str | Path) -> list[str]:
    """What the networks of a folder, which `load` can read, said of photos, such as "logits"."""
    with storage.reading(Path(folder) / FILE) as path, np.load(path) as file:
        return sorted({*file.files} - {NAMES})


def load(folder: str | Path, name: str, photos: Photos) -> np.ndarray:
    """(N, ...) predictions of the kind `name` for these photos.

    Raises:
        InputError: a file that is missing, damaged or of other photos, or has no predictions of this kind.
    """
    path = Path(folder) / FILE
    with storage.reading(path), np.load(path) as file:
        content = {key: file[key] for key in file.files if key in (NAMES, name)}
        kinds, names = " and ".join(sorted({*file.files} - {NAMES})), content.pop(NAMES)
    if name not in content:
        raise InputError(f"{path} has {kinds}, not the {name} needed here: was it made for the right task?")
    if not np.array_equal(names, photos.name):
        strangers = sorted({*names.tolist()} ^ {*photos.name.tolist()})
        which = f"{len(strangers)} are not in both, such as {', '.join(strangers[:3])}"
        raise InputError(f"{path} is of other photos than those imported ({which}): make both from one import")
    return content[name]
