"""The files that annotations come in: CSV tables, Sloth's JSON, sample submissions. Each row knows its place.

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

from whale_jax.runtime import storage
from whale_jax.runtime.errors import InputError

MOST = 10  # problems reported at once
SHOWN = 60  # characters of a cell in a message
LONGEST = 255  # characters of a name, as of a file: NumPy keeps a column as wide as its longest cell
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp")  # of pictures
TEXTS = {"Image": "name", "whaleID": "whale", "encounter": "encounter"}
GROUPS = {
    "bonnet": ("bonnet_x", "bonnet_y"),
    "blowhead": ("blowhead_x", "blowhead_y"),
    "box": ("x", "y", "width", "height"),
}
_COLUMNS = [*TEXTS, *(column for group in GROUPS.values() for column in group)]
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # half a character of UTF-16 counts as one
_PICTURE = re.compile(rf"({'|'.join(map(re.escape, SUFFIXES))})\b", re.IGNORECASE)
_SPELLINGS = {column.lower(): column for column in _COLUMNS} | {"bonnet_tip_x": "bonnet_x", "bonnet_tip_y": "bonnet_y"}


class Row(NamedTuple):
    """The annotations of a photo in one row of a file.

    Attributes:
        name: of the photo's file, without folders.
        facts: the text of "whale" and "encounter", the numbers of "bonnet", "blowhead" and "box"; none that is unknown.
        place: the file and the row, as a person counts, and the path of the photo in it, if there is one.
    """

    name: str
    facts: dict[str, str | tuple[float, ...]]
    place: str


def report(problems: list[str]) -> None:
    """Raises one InputError with the first of the problems, if there are any."""
    if problems:
        remainder = [f"and {len(problems) - MOST} more problems"] if len(problems) > MOST else []
        raise InputError("\n".join([*problems[:MOST], *remainder]))


def hint(name: str, choices: Iterable[str]) -> str:
    """The close matches, as a question to put behind a message; "" where there are none."""
    close = difflib.get_close_matches(name, list(choices), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def short(cell: str) -> str:
    """As much of a cell as a message shows, on one line."""
    cell = cell if cell.isprintable() else repr(cell)[1:-1]
    return cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}..."


def flaw(text: str) -> str:
    """Why a text cannot be the name of a photo, a whale or an encounter; "" where it can.

    NumPy drops a NUL at the end, and so makes one name of two; an open quote leaves a line break.
    """
    if _CONTROL.search(text):
        return f"{short(text)} has a line break or another control character: remove it; is a quote not closed?"
    if len(text) > LONGEST:
        return f"{short(text)} has {len(text)} characters, and a name at most {LONGEST}"
    return ""


def formulas(texts: Iterable[str]) -> list[str]:
    """The texts that a spreadsheet takes for formulas, and runs, when it opens a table that has them."""
    return [text for text in texts if text.startswith(("=", "+", "-", "@"))]


def basename(path: str) -> str:
    """The file name in a path of any system: annotation tools write absolute ones."""
    return re.split(r"[\\/]", path)[-1]


def read_table(path: Path, problems: list[str], *, required: tuple[str, ...] = ("Image",)) -> dict[str, Row]:
    """The rows of a CSV with any of the known columns, by photo; other columns, such as an index, are passed over.

    A first line that makes no sense raises InputError; mistakes in single rows are added to `problems`.
    """
    lines = _lines(path)
    number, header = next(lines, (1, []))
    columns = [_SPELLINGS.get(cell.lower(), cell) for cell in header]
    groups = {key: group for key, group in GROUPS.items() if set(group) & set(columns)}
    _check_header(columns, [*required, *(c for group in groups.values() for c in group)], f"{path} line {number}")
    rows = []
    for number, cells in lines:
        place = f"{path.name} line {number}"
        row = dict(zip(columns, cells, strict=False))
        names = [basename(row.get("Image", "")), row.get("whaleID", ""), row.get("encounter", "")]
        if len(cells) != len(columns):
            problems.append(f"{place}: {len(cells)} cells where the first line has {len(columns)}")
        elif not names[0]:
            problems.append(f"{place}: no name of a photo in column Image")
        elif flaws := [reason for name in names if (reason := flaw(name))]:
            problems += [f"{place}: {reason}" for reason in flaws]
        else:
            facts = {key: row[column] for column, key in TEXTS.items() if row.get(column) and column != "Image"}
            for key, group in groups.items():
                if any(row[column] for column in group):
                    facts[key] = _numbers([row[c] for c in group], f"{place}, {', '.join(group)}", problems)
            rows.append(_row(row["Image"], facts, place))
    if not rows and not problems:
        problems.append(f"{path} lists no photo: add a row for each, or remove the file")
    return _unique(rows, problems)


def _check_header(columns: list[str], needed: list[str], place: str) -> None:
    for column in needed:
        if columns.count(column) != 1:
            problem = "more than one column" if column in columns else "no column"
            header = f"the first line, separated by commas, says {short(', '.join(columns))}"
            raise InputError(f"{place}: {problem} {column!r}{hint(column, columns)}: {header}")
    absent = [column for column in _COLUMNS if column not in columns]
    for cell in columns:
        if near := difflib.get_close_matches(cell, absent, n=1, cutoff=0.8):
            raise InputError(f"{place}: unknown column {short(cell)!r}: did you mean {near[0]!r}?")


def read_sloth(path: Path, key: str, *, problems: list[str]) -> dict[str, Row]:
    """The photos of a Sloth file of points. Of several points on a photo the first counts; none means unknown."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}): was it copied whole?") from error
    rows = []
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], start=1):
        place = f"{path.name} entry {number}"
        marks = (entry.get("annotations") or []) if isinstance(entry, dict) else None
        if not isinstance(marks, list) or not isinstance(entry.get("filename"), str):
            layout = "a Sloth file is a list of {filename, annotations: [{x, y}]}"
            problems.append(f"{place}: no filename, or no list of annotations; {layout}")
            continue
        if reason := flaw(basename(entry["filename"])):
            problems.append(f"{place}: {reason}")
            continue
        marks = [mark for mark in marks if isinstance(mark, dict) and "width" not in mark]
        facts = {key: _numbers([marks[0].get("x"), marks[0].get("y")], f"{place}, x, y", problems)} if marks else {}
        rows.append(_row(entry["filename"], facts, place))
    return _unique(rows, problems)


def read_sample(path: Path, problems: list[str]) -> tuple[tuple[str, ...], dict[str, Row]]:
    """The whales (columns) and the photos (rows) of a sample submission."""
    lines = _lines(path)
    _, header = next(lines, (1, []))
    if len(header) < 2 or header[0] != "Image" or len(set(header)) != len(header):
        raise InputError(f"{path} line 1: its columns must be Image and then every whale once")
    problems += [f"{path.name} line 1: {reason}" for whale in header if (reason := flaw(whale))]
    rows = []
    for number, cells in lines:
        place = f"{path.name} line {number}"
        if reason := flaw(basename(cells[0])):
            problems.append(f"{place}: {reason}")
        else:
            rows.append(_row(cells[0], {}, place))
    return tuple(header[1:]), _unique(rows, problems)


def write(path: Path, columns: Sequence[str], *, rows: Iterable[Sequence[str]]) -> None:
    """Writes a whole CSV."""
    with storage.replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV with the number of the line they begin on, as a person counts; blank ones are left out.

    A cell may go on over line breaks, but not over a line that looks like another row: then a quote is not closed.
    """
    number = 1
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if swallowed := [cell for cell in cells if _PICTURE.search("".join(cell.splitlines(True)[1:]))]:
                    cell = short(swallowed[0])
                    raise InputError(f"{path} line {number}: a quote before {cell} is not closed: close it")
                if any(cell.strip() for cell in cells):
                    yield number, [cell.strip() for cell in cells]
                number = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no CSV in UTF-8 ({error}): save it again as one") from error
    except csv.Error as error:
        raise InputError(f"{path} line {number}: no CSV ({error}): is a quote of this line not closed?") from error


def _numbers(cells: list, place: str, problems: list[str]) -> tuple[float, ...]:
    """Finite numbers of a row; anything else is a problem."""
    try:
        numbers = tuple(float(cell) for cell in cells)
    except (TypeError, ValueError, OverflowError):
        numbers = (math.nan,)
    if not all(map(math.isfinite, numbers)):
        texts = ", ".join(short(repr(cell)) for cell in cells)
        problems.append(f"{place}: {texts} are not all numbers; where unknown, leave all of them empty")
    return numbers


def _row(path: str, facts: dict, place: str) -> Row:
    """The row of a photo that a table names by any path: messages show the path beside the row."""
    name = basename(path)
    return Row(name, facts, place if path == name else f"{place} ({short(path)})")


def _unique(rows: list[Row], problems: list[str]) -> dict[str, Row]:
    """The rows of one file by name of photo; a second one for a photo is a problem."""
    unique: dict[str, Row] = {}
    for row in rows:
        if unique.setdefault(row.name, row) is not row:
            earlier = unique[row.name].place
            problems.append(f"{row.place}: {short(row.name)} is in {earlier} already: remove one of them")
    return unique
