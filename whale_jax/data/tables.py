"""The one writer of CSV, and the reader of what it wrote."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from whale_jax.runtime import errors, storage


def write(path: Path, columns: Sequence[str], *, rows: Iterable[Sequence[str]]) -> None:
    """Writes a whole CSV."""
    with storage.replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)


def read(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV that `write` wrote, each by the names of its columns.

    A file that is missing or damaged, or has not all of `columns`, raises InputError.
    """
    with storage.reading(path), path.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        if missing := set(columns) - set(table.fieldnames or ()):
            names = ", ".join(name for name in columns if name in missing)
            raise errors.InputError(f"{path} has no column {names}: delete {path.parent} and run its stage again")
        return list(table)
