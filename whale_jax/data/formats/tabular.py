"""A row a photo: the columns of tables by the names that people give them, and the rows they hold."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from whale_jax.data import cells, sheets
from whale_jax.data.cells import hint, short
from whale_jax.data.photo_files import SUFFIXES
from whale_jax.data.rows import Fact, Row, Settings
from whale_jax.runtime.errors import InputError

# Our columns, and the usual names of others for them (see cells.key), the surest first.
COLUMNS = {
    "Image": (
        *("image", "path", "imagepath", "filepath", "filename", "file", "imagefile", "imagefilename", "imagename"),
        *("photo", "photoname", "photofile", "picture", "imageid", "photoid", "name", "id"),
    ),
    "whaleID": (
        *("whaleid", "whale", "whalename", "identity", "individualid", "individual", "individualname", "egno"),
        *("catalogueid", "catalogid", "name", "label", "id"),
    ),
    "encounter": ("encounter", "encounterid", "sighting", "sightingid", "occurrence", "occurrenceid", "encounteruuid"),
    "date": ("date", "datetime", "datetaken", "datecaptured", "taken", "timestamp"),
    "bonnet_x": ("bonnetx", "bonnettipx"),
    "bonnet_y": ("bonnety", "bonnettipy"),
    "blowhead_x": ("blowheadx",),
    "blowhead_y": ("blowheady",),
    "x": ("x", "bboxx", "boxx"),
    "y": ("y", "bboxy", "boxy"),
    "width": ("width", "bboxwidth", "boxwidth", "bboxw"),
    "height": ("height", "bboxheight", "boxheight", "bboxh"),
    "bbox": ("bbox", "box", "boundingbox"),
}
SURE = {
    column: tuple(word for word in words if word not in ("name", "label", "id")) for column, words in COLUMNS.items()
}
TEXTS = {"whaleID": "whale", "encounter": "encounter", "date": "date"}
GROUPS = {
    "bonnet": ("bonnet_x", "bonnet_y"),
    "blowhead": ("blowhead_x", "blowhead_y"),
    "box": ("x", "y", "width", "height"),
}
CERTAIN = ("whaleID", "encounter", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y")  # near these, no other word is


def columns(header: Sequence[str], settings: Settings | None = None) -> dict[str, str]:
    """Our column -> the table's, by its name or by the person's word; none that the table lacks."""
    chosen = {column: cell for column, cell in (settings.columns if settings else {}).items() if cell}
    free = [name for name in header if name not in chosen.values()]
    mapping = dict(chosen)
    for column, synonyms in COLUMNS.items():
        keys = {cells.key(name): name for name in reversed(free)}
        if column not in mapping and (match := next((keys[word] for word in synonyms if word in keys), "")):
            mapping[column] = match
            free = [name for name in free if name != match]
    return mapping


def texts(*entries: Mapping[str, Any], also: Sequence[str] = ()) -> dict[str, Fact]:
    """The texts of a whale, an encounter and a date that some entries have under a usual name (SURE).

    The first entry that has one counts; of dates the surest name, for entries have times of their own.

    Args:
        entries: values by the names that people give them, of an annotation tool's JSON.
        also: further usual names of a whale, see `cells.key`.
    """
    result, keyed = {}, [_by_key(entry) for entry in entries]
    for column, kind in TEXTS.items():
        words = (*SURE[column], *(also if kind == "whale" else ()))
        if kind == "date":
            values = [entry.get(word, "") for word in words for entry in keyed]
        else:
            values = [entry.get(word, "") for entry in keyed for word in words]
        blank = ("", "0") if kind == "date" else ("",)  # CVAT writes the date 0
        if text := next((value for value in values if value not in blank), ""):
            result[kind] = text
    return result


def _by_key(entry: Mapping[str, Any]) -> dict[str, str]:
    """The texts and numbers of an entry that are not empty, by `cells.key` of their names; the first of equal ones."""
    pairs = [
        (cells.key(str(name)), cells.clean(str(value))) for name, value in entry.items() if type(value) in (str, int)
    ]
    return {key: text for key, text in reversed(pairs) if text}


def read(
    path: Path, settings: Settings, *, problems: list[str], required: Sequence[str] = ("Image",)
) -> tuple[list[Row], tuple[str, ...]]:
    """The rows of a table, and a note of the columns that are not used.

    A first line that makes no sense raises InputError; mistakes in single rows are added to `problems`.
    """
    sheet = sheets.read(path)
    mapping = _mapping(sheet, settings)
    _check(sheet, mapping, required=required)
    rows = []
    for place, record in sheet.records(problems):
        row = {column: record[cell] for column, cell in mapping.items()}
        if not cells.basename(row["Image"]):
            problems.append(f"{place}: no name of a photo in column {short(mapping['Image'])}")
        else:
            rows.append(Row(row["Image"], _facts(row, place, problems=problems), place))
    if not rows and not problems:
        problems.append(f"{path} lists no photo: add a row for each, or remove the file")
    return rows, notes(sheet, mapping)


def notes(sheet: sheets.Sheet, mapping: Mapping[str, str]) -> tuple[str, ...]:
    """Lines about the columns that go by another name than column, and those that are not used."""
    renamed = [f"{column} is its column {short(cell)!r}" for column, cell in mapping.items() if column != cell]
    lines = [f"{sheet.path.name}: {', '.join(renamed)}"] if renamed else []
    return (*lines, *unused(sheet, mapping.values()))


def unused(sheet: sheets.Sheet, used: Collection[str]) -> tuple[str, ...]:
    """A line about the columns of a table that are not among those used."""
    names = [name for name in sheet.header if name and name not in used]
    return (f"{sheet.path.name}: columns not used: {cells.examples(names, most=20)}",) if names else ()


def _mapping(sheet: sheets.Sheet, settings: Settings) -> dict[str, str]:
    """Our column -> the table's. The column of photos is one that holds names of pictures, if any does."""
    for cell in filter(None, settings.columns.values()):
        if cell not in sheet.header:
            raise InputError(f"{sheet.place}: no column {cell!r}, which columns names{hint(cell, sheet.header)}")
    mapping = columns(sheet.header, settings)
    if settings.columns.get("Image"):
        return mapping
    named = [name for i, name in enumerate(sheet.header) if _are_pictures([row[i : i + 1] for _, row in sheet.rows])]
    usual = [name for word in COLUMNS["Image"] for name in named if cells.key(name) == word]
    if named and mapping.get("Image") not in named:
        image = (usual or named)[0]
        return columns(sheet.header, settings._replace(columns={**settings.columns, "Image": image}))
    return mapping


def _are_pictures(column: Sequence[Sequence[str]]) -> bool:
    """Whether a column's cells are names of pictures, of some rows at the start."""
    texts = [cell[0] for cell in column[:100] if cell and cell[0]]
    return bool(texts) and all(text.lower().endswith(SUFFIXES) for text in texts)


def _facts(row: Mapping[str, str], place: str, *, problems: list[str]) -> dict:
    """What a row says, by our columns."""
    facts = {key: row[column] for column, key in TEXTS.items() if row.get(column)}
    for key, group in GROUPS.items():
        if set(group) <= set(row) and any(row[column] for column in group):
            facts[key] = cells.numbers([row[c] for c in group], f"{place}, {', '.join(group)}", problems=problems)
    if "box" not in facts and (text := row.get("bbox", "").strip("[]() ")):
        facts["box"] = cells.numbers(re.split(r"[,;\s]+", text), f"{place}, bbox", problems=problems)
        if len(facts["box"]) != 4:
            problems.append(f"{place}, bbox: {short(text)} are not the four numbers x, y, width, height")
    return facts


def _check(sheet: sheets.Sheet, mapping: Mapping[str, str], *, required: Sequence[str]) -> None:
    """Raises InputError where a column is missing, there twice, or misspelt."""
    shown = f"the first line says {short(', '.join(sheet.header))}"
    drawn = {key: [column for column in group if column in mapping] for key, group in GROUPS.items()}
    if not {"x", "y"} & {*drawn["box"]}:
        drawn["box"] = []  # the width and height of the photo
    needed = [*required, *(column for key, members in drawn.items() if members for column in GROUPS[key])]
    absent = {cells.key(column): column for column in CERTAIN if column not in mapping}
    for name in sheet.header:
        if name not in mapping.values() and (close := difflib.get_close_matches(cells.key(name), absent, 1, 0.8)):
            raise InputError(f"{sheet.place}: unknown column {short(name)!r}: did you mean {absent[close[0]]!r}?")
    for column in needed:
        if column not in mapping:
            raise InputError(f"{sheet.place}: no column {column!r}{hint(column, sheet.header)}: {shown}")
    keys = list(map(cells.key, sheet.header))
    for column, cell in mapping.items():
        if keys.count(cells.key(cell)) > 1:
            raise InputError(f"{sheet.place}: more than one column {cell!r} for {column!r}: {shown}")
