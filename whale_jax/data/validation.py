"""validation.csv: how sure a run was of each validation photo, and where its true whale stood."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from whale_jax.data import tables
from whale_jax.evaluation.reliability import Reliability
from whale_jax.runtime import storage

FILE = "validation.csv"
COLUMNS = ("Image", "probability", "rank")


def write(path: Path, names: Sequence[str], *, reliability: Reliability) -> None:
    """Writes the reliability of n photos of those names."""
    rows = zip(names, reliability.probability, reliability.rank, strict=True)
    tables.write(path, COLUMNS, rows=((str(name), f"{p:.6f}", str(int(rank))) for name, p, rank in rows))


def read(path: Path) -> Reliability:
    """What `write` wrote, without the names; a file that is missing or damaged raises InputError."""
    with storage.reading(path):
        rows = tables.read(path, COLUMNS)
        probability = np.array([float(row["probability"]) for row in rows])
        return Reliability(probability, np.array([int(row["rank"]) for row in rows], int))
