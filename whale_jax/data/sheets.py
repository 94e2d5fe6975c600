"""Tables of a person: CSV by Python's csv, spreadsheets by openpyxl. Every row knows its line.

These two give each cell as it is written and each row its place. Libraries of data frames guess types, which makes a
number of an id, and lose the line that a message must name.
"""

import contextlib
import csv
import datetime
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import openpyxl
from openpyxl.cell import Cell

from whale_jax.data import cells
from whale_jax.data.cells import short
from whale_jax.data.photo_files import SUFFIXES
from whale_jax.runtime import storage
from whale_jax.runtime.errors import InputError

SEPARATORS = ",;\t|"
TITLES = 10  # lines among which the header is looked for: titles above it fill one cell
MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # how files begin
_PICTURE = re.compile(rf"({'|'.join(map(re.escape, SUFFIXES))})\b", re.IGNORECASE)


class Sheet(NamedTuple):
    """A table.

    Attributes:
        path: of its file.
        place: of its header.
        header: cells of the first line that fills two.
        rows: place and cells of each other line.
    """

    path: Path
    place: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]

    def records(self, problems: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
        """Place and cells by column of each row; a row of another length is a problem."""
        for place, row in self.rows:
            if len(row) != len(self.header):
                problems.append(f"{place}: {len(row)} cells where the first line has {len(self.header)}")
            else:
                yield place, dict(zip(self.header, row, strict=True))


@storage.file_cache(8)
def read(path: Path) -> Sheet:
    """The table in a CSV, a TSV or a spreadsheet, without blank lines. A damaged file raises InputError."""
    spreadsheet = path.suffix.lower() == ".xlsx"
    lines = [line for line in (_spreadsheet(path) if spreadsheet else _text(path)) if any(line[1])]
    name = "row" if spreadsheet else "line"
    start = next((i for i, (_, row) in enumerate(lines[:TITLES]) if sum(map(bool, row)) > 1), 0)
    number, header = lines[start] if lines else (1, ())
    if spreadsheet:  # which has as many columns as its longest row
        header = header[: 1 + max(i for i, cell in enumerate(header) if cell)] if header else ()
        lines = [(number, _fitted(row, len(header))) for number, row in lines]
    rows = tuple((f"{path.name} {name} {number}", row) for number, row in lines[start + 1 :])
    return Sheet(path, f"{path} {name} {number}", header, rows)


def _fitted(row: tuple[str, ...], width: int) -> tuple[str, ...]:
    """A spreadsheet's row with as many cells as its header, unless more are filled."""
    filled = max((i + 1 for i, cell in enumerate(row) if cell), default=0)
    return (*row, *[""] * width)[: max(width, filled)]


def _text(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The rows of a CSV with the number of the line they begin on, as a person counts.

    A cell may go on over line breaks, but not over a line that looks like another row: then a quote is not closed.
    """
    number = 1
    with path.open("rb") as file:
        start = file.read(4)
    encoding = next((name for mark, name in MARKS.items() if start.startswith(mark)), "utf-8")
    try:
        with open(path, newline="", encoding=encoding) as file:
            separator = next((mark for line in islice(file, TITLES) if (mark := _separator(line))), SEPARATORS[0])
            file.seek(0)
            for row in (reader := csv.reader(file, strict=True, delimiter=separator)):
                if swallowed := [cell for cell in row if _PICTURE.search("".join(cell.splitlines(True)[1:]))]:
                    cell = short(swallowed[0])
                    raise InputError(f"{path} line {number}: a quote before {cell} is not closed: close it")
                yield number, tuple(map(cells.clean, row))
                number = reader.line_num + 1
    except UnicodeError as error:
        raise InputError(f"{path} is no CSV in UTF-8 ({error}): save it again as one") from error
    except csv.Error as error:
        raise InputError(f"{path} line {number}: no CSV ({error}): is a quote of this line not closed?") from error


def _separator(line: str) -> str:
    """What separates the cells of a line, "" where nothing does."""
    outside = re.sub('"[^"]*"', "", line)
    mark = max(SEPARATORS, key=outside.count)
    return mark if mark in outside else ""


def _spreadsheet(path: Path) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The rows of a spreadsheet's only sheet that has any, by number."""
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # of a zip file, of XML, and of openpyxl
        raise InputError(f"{path} is no spreadsheet that can be read ({error}): save it again as .xlsx") from error
    with contextlib.closing(book):
        filled = [sheet for sheet in book.worksheets if any(map(any, sheet.iter_rows(values_only=True)))]
        if len(filled) > 1:
            names = ", ".join(sheet.title for sheet in filled)
            raise InputError(f"{path} has several sheets ({names}): save the one of the photos as a file of its own")
        for number, row in enumerate(filled[0].iter_rows() if filled else (), start=1):
            yield number, tuple(map(_shown, row))


def _shown(cell: Cell) -> str:
    """A cell as a person sees it: whole numbers without a point, and large ones in powers of ten where it has them."""
    match cell.value:
        case None:
            return ""
        case datetime.datetime() as value:
            return value.isoformat(sep=" ").removesuffix(" 00:00:00")
        case float() | int() as value if "E+" in (cell.number_format or ""):
            return f"{value:.0E}"
        case float() as value if value.is_integer():
            return str(int(value))
        case value:
            return cells.clean(str(value))
