"""The VGG Image Annotator's export (VIA 2.0): CSV, JSON, or its project file. Points and boxes are in pixels.

A region is a `point` (cx, cy) that one of its attributes calls bonnet or blowhead, or a `rect` (x, y, width, height).
The whale is an attribute of the file, or of a region, under one of the usual names (tabular.SURE). Of two heads, each
region may have the name of its whale; otherwise the first bonnet goes with the first blowhead.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from whale_jax.data import cells, sheets
from whale_jax.data.folder import Folder, parsed
from whale_jax.data.formats import table, tabular
from whale_jax.data.rows import Fact, Format, Reading, Row, Settings, Source, heads_of_whales, point_kind

PROJECT = "_via_img_metadata"
COLUMNS = ("filename", "regionshapeattributes", "regionattributes")
Region = tuple[Mapping, Mapping]  # its shape and its attributes


def evidence(folder: Folder) -> str:
    """What it is recognised by: region_shape_attributes, or regions with shape_attributes."""
    return cells.examples(f"regions of {path.name}" for path in _files(folder))


def read(folder: Folder, settings: Settings, *, problems: list[str]) -> Reading:
    """A row for each head on each photo; a file each."""
    return Reading(tuple(Source(list(_rows(path, problems))) for path in _files(folder)))


def _rows(path: Path, problems: list[str]) -> Iterator[Row]:
    photos = _of_json(path) if path.suffix.lower() == ".json" else _of_table(path, problems)
    for place, name, attributes, regions in photos:
        marks, texts = [], _texts(attributes)
        usual = texts.get("whale", "")
        for shape, notes in regions:
            words = _texts(notes)
            for mark in _mark(shape, notes, place=place, problems=problems):
                marks.append((*mark, words.get("whale", usual)))
            texts |= words
        for facts in heads_of_whales(marks, place, texts=texts, problems=problems):
            yield Row(name, facts, place)


def _mark(shape: Mapping, notes: Mapping, *, place: str, problems: list[str]) -> list[tuple[str, tuple[float, ...]]]:
    """Kind and pixels of a point or a box; none of another region."""
    match shape.get("name"):
        case "point":
            boxes = [value for value in notes.values() if isinstance(value, dict)]  # to tick, by their labels
            ticked = [name for part in (notes, *boxes) for name, value in part.items() if value is True]
            words = [*notes.values(), *ticked]
            kind, keys = point_kind(*words), ("cx", "cy")
        case "rect":
            kind, keys = "box", ("x", "y", "width", "height")
        case _:
            kind, keys = "", ()
    return (
        [(kind, cells.numbers([shape.get(key) for key in keys], f"{place}, {kind}", problems=problems))] if kind else []
    )


def _of_table(path: Path, problems: list[str]) -> Iterator[tuple[str, str, Mapping, list[Region]]]:
    """Place, name, attributes and regions of each photo of a CSV, which has a row a region."""
    photos: dict[str, tuple[str, str, dict, list[Region]]] = {}
    for place, record in sheets.read(path).records(problems):
        record = {cells.key(name): text for name, text in record.items()}
        name, texts = record["filename"], [record.get(key) for key in ("fileattributes", *COLUMNS[1:])]
        try:
            attributes, shape, notes = (json.loads(text or "{}") for text in texts)
        except ValueError as error:
            problems.append(f"{place}: its attributes are not JSON ({error}): export it again")
            continue
        photo = photos.setdefault(name, (place, name, {}, []))
        photo[2].update(attributes)
        photo[3].append((shape, notes))
    yield from photos.values()


def _of_json(path: Path) -> Iterator[tuple[str, str, Mapping, list[Region]]]:
    """The same of a JSON export or a project."""
    for number, photo in enumerate(_entries(parsed(path)).values(), start=1):
        regions = photo.get("regions") or ()
        regions = regions.values() if isinstance(regions, dict) else regions
        pairs = [(region.get("shape_attributes") or {}, region.get("region_attributes") or {}) for region in regions]
        yield f"{path.name} file {number}", str(photo.get("filename", "")), photo.get("file_attributes") or {}, pairs


def _texts(attributes: Mapping) -> dict[str, Fact]:
    """The texts under a usual name that do not say which point a region is."""
    return tabular.texts({name: value for name, value in attributes.items() if not point_kind(value)})


def _files(folder: Folder) -> list[Path]:
    return table.with_columns(folder, *COLUMNS) + [path for path in folder.documents if _is_via(parsed(path))]


def _entries(content: Any) -> Mapping[str, Any]:
    """Entries of photos, those of a project as those of an export."""
    entries = content.get(PROJECT, content) if isinstance(content, dict) else {}
    return entries if isinstance(entries, dict) else {}


def _is_via(content: Any) -> bool:
    entries: Iterable = _entries(content).values()
    return bool(_entries(content)) and all(isinstance(entry, dict) and "regions" in entry for entry in entries)


FORMAT = Format(evidence, read, pixels=True)
