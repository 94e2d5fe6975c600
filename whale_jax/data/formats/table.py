"""One table with a row a photo: CSV, TSV or xlsx, with our columns or well-known words for them (see tabular.py)."""

from collections.abc import Sequence
from pathlib import Path

from whale_jax.data import cells
from whale_jax.data.folder import Folder, header
from whale_jax.data.formats import tabular
from whale_jax.data.rows import Format, Reading, Settings, Source
from whale_jax.runtime.errors import InputError


def evidence(folder: Folder) -> str:
    """What it is recognised by: a table."""
    regions = with_columns(folder, "regionshapeattributes")  # of VIA
    return cells.examples(path.name for path in sheets(folder) if path not in regions)


def read(folder: Folder, settings: Settings, *, problems: list[str]) -> Reading:
    """The rows of the table."""
    path = folder.table("train.csv") or only(folder, sheets(folder))
    if path is None:
        raise InputError(f"{folder.root} has no table: add one, or choose another format")
    rows, notes = tabular.read(path, settings, problems=problems)
    return Reading((Source(rows, only_present=True),), notes=notes)


def sheets(folder: Folder) -> list[Path]:
    """The tables of rows and columns."""
    return [path for path in folder.tables if path.suffix.lower() != ".json"]


def only(folder: Folder, paths: Sequence[Path]) -> Path | None:
    """The table that says which photo is which whale: the only one of these with a column of photos."""
    candidates = [path for path in paths if path.suffix.lower() != ".json"]
    photos = [path for path in candidates if "Image" in tabular.columns(header(path))]
    candidates = photos or candidates
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates)
        raise InputError(f"{folder.root} has several tables ({names}): call one train.csv")
    return candidates[0] if candidates else None


def with_columns(folder: Folder, *needed: str) -> list[Path]:
    """The tables whose first line has all of these words, see cells.key."""
    return [path for path in sheets(folder) if {*needed} <= {*map(cells.key, header(path))}]


FORMAT = Format(evidence, read)
