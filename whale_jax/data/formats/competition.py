"""The competition's files: imgs/ or imgs.zip, train.csv, sample_submission.csv, and annotations that others shared.

These are points1.json (bonnet) and points2.json (blowhead) of Sloth, and any train_with_*.csv. Only photos are a must.
What others drew may speak of more photos than a person has (they had all 4,544, a person may have ten): those rows
are counted and passed over, unless not one photo of the file is there.
"""

import re
from pathlib import Path

from whale_jax.data import cells, sheets
from whale_jax.data.folder import CROPS, HOME, Folder, header, parsed
from whale_jax.data.formats import table, tabular
from whale_jax.data.rows import Format, Reading, Row, Settings, Source
from whale_jax.runtime.errors import InputError

LABELS, SAMPLE = "train.csv", "sample_submission.csv"
POINTS = {"points1.json": "bonnet", "points2.json": "blowhead"}
DRAWN = re.compile(r"train_with_\w+\.csv", re.IGNORECASE)


def evidence(folder: Folder) -> str:
    """What it is recognised by: files with the competition's names."""
    if folder.hidden == CROPS:
        return ""
    shared = [path.name for path in _shared(folder)]
    labels = folder.table(LABELS)
    if labels and folder.hidden and {*tabular.columns(header(labels))} == {"Image", "whaleID"}:
        shared += [f"{LABELS} beside {HOME}"]
    return cells.examples(shared)


def read(folder: Folder, settings: Settings, *, problems: list[str]) -> Reading:
    """The labels, what others drew, and the sample submission."""
    shared = _shared(folder)
    labels = folder.table(LABELS) or table.only(folder, [path for path in folder.sheets if path not in shared])
    sources, notes, whales, sample = [], [], (), ()
    if labels:
        rows, notes = tabular.read(labels, settings, problems=problems, required=("Image", "whaleID"))
        sources.append(Source(rows, only_present=True))
    for path in shared:
        if path.name == SAMPLE:
            whales, sample = _sample(path, problems)
        elif kind := POINTS.get(path.name):
            sources.append(Source(sloth(path, kind, problems=problems)))
        elif path != labels:
            sources.append(Source(tabular.read(path, settings, problems=problems)[0]))
    return Reading(tuple(sources), labels is not None, whales, sample, tuple(notes))


def sloth(path: Path, kind: str, *, problems: list[str]) -> list[Row]:
    """The photos of a Sloth file of points. Of several points on a photo the first counts; none means unknown."""
    entries, rows = parsed(path), []
    for number, entry in enumerate(entries if isinstance(entries, list) else [entries], start=1):
        place = f"{path.name} entry {number}"
        marks = (entry.get("annotations") or []) if isinstance(entry, dict) else None
        if not isinstance(marks, list) or not isinstance(entry.get("filename"), str):
            layout = "a Sloth file is a list of {filename, annotations: [{x, y}]}"
            problems.append(f"{place}: no filename, or no list of annotations; {layout}")
            continue
        marks = [mark for mark in marks if isinstance(mark, dict) and "width" not in mark]
        point = [marks[0].get("x"), marks[0].get("y")] if marks else []
        facts = {kind: cells.numbers(point, f"{place}, x, y", problems=problems)} if marks else {}
        rows.append(Row(entry["filename"], facts, place))
    return rows


def _sample(path: Path, problems: list[str]) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    """The whales (columns) and the photos (rows) of a sample submission."""
    sheet = sheets.read(path)
    columns = sheet.header
    if len(columns) < 2 or columns[0] != "Image" or len(set(columns)) != len(columns):
        raise InputError(f"{path} line 1: its columns must be Image and then every whale once")
    problems += [f"{path.name} line 1: {reason}" for whale in columns if (reason := cells.flaw(whale))]
    return columns[1:], tuple(Row(row[0], {}, place) for place, row in sheet.rows)


def _shared(folder: Folder) -> list[Path]:
    """The files of the competition's community, and the sample submission: all but the labels."""
    return [
        path
        for path in folder.tables
        if path.name in (*POINTS, SAMPLE) or (DRAWN.fullmatch(path.name) and path.name != LABELS)
    ]


FORMAT = Format(evidence, read)
