"""The files that annotations come in: CSV tables, Sloth's JSON, sample submissions. Each row knows where it stands.

And the one writer of CSV.
"""

import csv
import difflib
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from whale_jax.errors import InputError

MOST = 10  # problems reported at once
TEXTS = {"Image": "name", "whaleID": "whale", "encounter": "encounter"}
GROUPS = {
    "bonnet": ("bonnet_x", "bonnet_y"),
    "blowhead": ("blowhead_x", "blowhead_y"),
    "box": ("x", "y", "width", "height"),
}
_COLUMNS = [*TEXTS, *(column for group in GROUPS.values() for column in group)]
_SPELLINGS = {column.lower(): column for column in _COLUMNS} | {"bonnet_tip_x": "bonnet_x", "bonnet_tip_y": "bonnet_y"}


class Row(NamedTuple):
    """What a row of a file says of a photo.

    Attributes:
        name: of the photo's file, without folders.
        facts: of "whale" and "encounter" the text, of "bonnet", "blowhead" and "box" the numbers; only what is known.
        where: the file and the row, as a person counts.
    """

    name: str
    facts: dict[str, str | tuple[float, ...]]
    where: str


def report(problems: list[str]) -> None:
    """Raises one InputError with the first of the problems, if there are any."""
    if problems:
        more = [f"and {len(problems) - MOST} more problems"] if len(problems) > MOST else []
        raise InputError("\n".join([*problems[:MOST], *more]))


def hint(name: str, choices: Iterable[str]) -> str:
    """The close matches, as a question to put behind a message; "" where there are none."""
    close = difflib.get_close_matches(name, list(choices), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def basename(path: str) -> str:
    """The file name in a path of any system: annotation tools write absolute ones."""
    return re.split(r"[\\/]", path)[-1]


def read_table(path: Path, problems: list[str], *, required: tuple[str, ...] = ("Image",)) -> dict[str, Row]:
    """The rows of a CSV with any of the known columns, by photo; other columns, such as an index, are passed over.

    A first line that makes no sense raises InputError; what is wrong with single rows goes to `problems`.
    """
    lines = _lines(path)
    number, header = next(lines, (1, []))
    columns = [_SPELLINGS.get(cell.lower(), cell) for cell in header]
    groups = {key: group for key, group in GROUPS.items() if set(group) & set(columns)}
    _check_header(columns, [*required, *(c for group in groups.values() for c in group)], f"{path} line {number}")
    rows = []
    for number, cells in lines:
        where = f"{path.name} line {number}"
        row = dict(zip(columns, cells, strict=False))
        if len(cells) != len(columns):
            problems.append(f"{where}: {len(cells)} cells where the first line has {len(columns)}")
        elif not row["Image"]:
            problems.append(f"{where}: no name of a photo in column Image")
        else:
            facts = {key: row[column] for column, key in TEXTS.items() if row.get(column) and column != "Image"}
            for key, group in groups.items():
                if any(row[column] for column in group):
                    facts[key] = _numbers([row[c] for c in group], f"{where}, {', '.join(group)}", problems)
            rows.append(Row(basename(row["Image"]), facts, where))
    return _unique(rows, problems)


def _check_header(columns: list[str], needed: list[str], where: str) -> None:
    for column in needed:
        if columns.count(column) != 1:
            what = "more than one column" if column in columns else "no column"
            found = f"the first line, separated by commas, says {', '.join(columns)}"
            raise InputError(f"{where}: {what} {column!r}{hint(column, columns)}: {found}")
    absent = [column for column in _COLUMNS if column not in columns]
    for cell in columns:
        if near := difflib.get_close_matches(cell, absent, n=1, cutoff=0.8):
            raise InputError(f"{where}: unknown column {cell!r}: did you mean {near[0]!r}?")


def read_sloth(path: Path, key: str, problems: list[str]) -> dict[str, Row]:
    """The photos of a Sloth file of points. Of several points on a photo the first counts; none means unknown."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}): was it copied whole?") from error
    rows = []
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], start=1):
        where = f"{path.name} entry {number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
            problems.append(f"{where}: no filename; a Sloth file is a list of {{filename, annotations: [{{x, y}}]}}")
            continue
        marks = [mark for mark in entry.get("annotations") or [] if isinstance(mark, dict) and "width" not in mark]
        facts = {key: _numbers([marks[0].get("x"), marks[0].get("y")], f"{where}, x, y", problems)} if marks else {}
        rows.append(Row(basename(entry["filename"]), facts, where))
    return _unique(rows, problems)


def read_sample(path: Path, problems: list[str]) -> tuple[tuple[str, ...], dict[str, Row]]:
    """The whales (columns) and the photos asked for of a sample submission."""
    lines = _lines(path)
    _, header = next(lines, (1, []))
    if len(header) < 2 or header[0] != "Image" or len(set(header)) != len(header):
        raise InputError(f"{path} line 1: its columns must be Image and then every whale once")
    rows = [Row(basename(cells[0]), {}, f"{path.name} line {number}") for number, cells in lines]
    return tuple(header[1:]), _unique(rows, problems)


def write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Writes a CSV by way of a temporary name, so that what bears `path`'s name is whole."""
    partial = path.with_suffix(".tmp")
    with partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)
    partial.replace(path)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV with their line numbers, as a person counts them; blank ones are left out."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, [cell.strip() for cell in cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no CSV in UTF-8 ({error}): save it again as one") from error


def _numbers(cells: list, what: str, problems: list[str]) -> tuple[float, ...]:
    """Finite numbers of a row; anything else is a problem."""
    try:
        numbers = tuple(float(cell) for cell in cells)
    except (TypeError, ValueError):
        numbers = (math.nan,)
    if not all(map(math.isfinite, numbers)):
        problems.append(
            f"{what}: {', '.join(map(repr, cells))} are not all numbers; where unknown, leave all of them empty"
        )
    return numbers


def _unique(rows: list[Row], problems: list[str]) -> dict[str, Row]:
    """The rows of one file by name of photo; a second one for a photo is a problem."""
    found: dict[str, Row] = {}
    for row in rows:
        if found.setdefault(row.name, row) is not row:
            problems.append(f"{row.where}: {row.name} is in {found[row.name].where} already: remove one of them")
    return found
