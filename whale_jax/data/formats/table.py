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
    return cells.examples(path.name for path in _sheets(folder))


def read(folder: Folder, settings: Settings, *, problems: list[str]) -> Reading:
    """The rows of the table."""
    path = folder.table("train.csv") or only(folder, _sheets(folder))
    if path is None:
        raise InputError(f"{folder.root} has no table: add one, or choose another format")
    return reading(path, settings, problems=problems)


def reading(path: Path, settings: Settings, *, problems: list[str], required: Sequence[str] = ("Image",)) -> Reading:
    """What one table says, each row of a photo that is there; see `tabular.read`."""
    rows, notes = tabular.read(path, settings, problems=problems, required=required)
    return Reading((Source(rows, only_present=True),), notes=notes)


def only(folder: Folder, paths: Sequence[Path]) -> Path | None:
    """The table that says which photo is which whale: the only one of these with a column of photos."""
    candidates = [path for path in paths if "Image" in tabular.columns(header(path))] or list(paths)
    if len(candidates) > 1:
        names = ", ".join(path.name for path in candidates)
        raise InputError(f"{folder.root} has several tables ({names}): call one train.csv")
    return candidates[0] if candidates else None


def with_columns(folder: Folder, *needed: str) -> list[Path]:
    """The tables whose first line has all of these words, see cells.key."""
    return [path for path in folder.sheets if {*needed} <= {*map(cells.key, header(path))}]


def _sheets(folder: Folder) -> list[Path]:
    """The tables but for VIA's, which have a row a region."""
    regions = with_columns(folder, "regionshapeattributes")
    return [path for path in folder.sheets if path not in regions]


FORMAT = Format(evidence, read)
