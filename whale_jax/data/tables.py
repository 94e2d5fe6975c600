"""The one writer of CSV."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from whale_jax.runtime import storage


def write(path: Path, columns: Sequence[str], *, rows: Iterable[Sequence[str]]) -> None:
    """Writes a whole CSV."""
    with storage.replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)
