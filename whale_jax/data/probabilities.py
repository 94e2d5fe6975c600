"""Probabilities of whales: probabilities.npz, an array (N, whales) for each source, such as "network"."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from whale_jax.runtime import errors, storage

FILE = "probabilities.npz"


def save(folder: str | Path, probabilities: Mapping[str, np.ndarray]) -> None:
    """Writes (N, whales) arrays by source; NaN where there is none."""
    storage.savez(Path(folder) / FILE, **probabilities)


def load(folder: str | Path) -> dict[str, np.ndarray]:
    """The (N, whales) arrays of a folder by source; a file that is missing or damaged raises InputError."""
    with storage.reading(Path(folder) / FILE) as path, np.load(path) as file:
        return {name: file[name] for name in file.files}


def load_source(folder: str | Path, source: str) -> np.ndarray:
    """(N, whales) of one source; one that the folder does not have raises InputError."""
    arrays = load(folder)
    if source not in arrays:
        raise errors.unknown("source of probabilities", source, list(arrays))
    return arrays[source]
