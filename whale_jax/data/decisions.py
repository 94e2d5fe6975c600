"""decisions.csv: what a person decided about photos, such as who a whale is, written by a page and read back here.

A row a photo. Its words are those of WORDS; where the decision is empty, the person moved the points alone.
"""

import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from whale_jax.data import cells, sheets, tables
from whale_jax.data.cells import short

FILE = "decisions.csv"
POINTS = ("bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y")
COLUMNS = ("Image", "whaleID", "decision", "encounter", *POINTS, "reviewer", "time", "rank", "probability")
EARLIER = {"reviewer": "who", "time": "when"}  # what columns were called once
NAMING = ("whale", "new")  # decisions that give the photo a name: of a whale on the list, of one that is not
WORDS = (*NAMING, "unusable", "skip", "")


class Decision(NamedTuple):
    """What a person decided about one whale on one photo: a row of decisions.csv.

    Attributes:
        image: name of the photo, see `right_whale.Photos.name`; that of a second whale on it ends with "#2".
        whale: its whaleID, "" unless the decision is one of NAMING.
        decision: one of WORDS.
        encounter: name of the sighting, "" where unknown.
        points: (2, 2) float32 bonnet and blowhead as (x, y), in pixels of the photo as stored; NaN where unknown.
        reviewer: name of the person.
        time: when the person decided, as in ISO 8601: "2026-06-01T12:30:00Z"; "" where unknown.
        rank: of the whale among the candidates, from 1; None where it was none of them.
        probability: of the whale, by the candidates; None where unknown.
        place: the file and the row, as a person counts, where it was read from a file.
    """

    image: str
    whale: str = ""
    decision: str = ""
    encounter: str = ""
    points: np.ndarray = np.full((2, 2), np.nan, np.float32)
    reviewer: str = ""
    time: str = ""
    rank: int | None = None
    probability: float | None = None
    place: str = ""


def write(path: Path, decisions: Iterable[Decision]) -> None:
    """Writes the whole file, or leaves the old one. Points are written where both are given, bit for bit.

    Decisions that `read` would refuse raise InputError, and nothing is written.
    """
    decisions = list(decisions)
    cells.report([f"{short(entry.image)}: {flaw}" for entry in decisions for flaw in _flaws(entry)])
    tables.write(path, COLUMNS, rows=map(_row, decisions))


def read(path: Path, root: Path | None = None) -> list[Decision]:
    """The rows of a file, in its order. All that is damaged in it is reported in one InputError, with file and row.

    Args:
        path: the file.
        root: a folder above it, below which messages give its path; None to give its name alone.
    """
    sheet, label, problems = sheets.read(path), path.relative_to(root or path.parent).as_posix(), []
    names = {cells.key(name): name for name in reversed(sheet.header)}
    names = {name: names[earlier] for name, earlier in EARLIER.items() if earlier in names} | names
    used = {column: names[cells.key(column)] for column in COLUMNS if cells.key(column) in names}
    problems += [f"{sheet.place}: no column {column!r}" for column in ("Image", "decision") if column not in used]
    decisions = []
    for place, record in sheet.records(problems):
        row = {column: record[used[column]] if column in used else "" for column in COLUMNS}
        decisions.append(_decision(row, label + place.removeprefix(path.name), problems=problems))
    cells.report(problems)
    return decisions


def moment(entry: Decision) -> datetime.datetime:
    """When the person decided. A time without a zone is one of UTC, and an unknown one is before all others."""
    time = datetime.datetime.fromisoformat(entry.time or "0001-01-01")
    return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)


def is_file(path: Path) -> bool:
    """Whether a table is one of decisions: by the end of its name, and by its columns."""
    if not path.name.lower().endswith(FILE):
        return False
    return {"image", "decision"} <= {*map(cells.key, sheets.read(path).header)}


def _row(entry: Decision) -> list[str]:
    """The cells of a decision, empty where unknown."""
    points = np.float32(entry.points).ravel()
    complete = np.isfinite(points).all()
    numbers = [np.format_float_positional(number, trim="-") if complete else "" for number in points]
    rank = "" if entry.rank is None else str(int(entry.rank))
    probability = "" if entry.probability is None else repr(float(entry.probability))
    return [*entry[:4], *numbers, entry.reviewer, entry.time, rank, probability]


def _decision(row: dict[str, str], place: str, *, problems: list[str]) -> Decision:
    """The decision in a row, by our columns."""
    points, rank, probability = np.full((2, 2), np.nan, np.float32), None, None
    if texts := [row[column] for column in POINTS if row[column]]:
        if len(texts) < len(POINTS):
            problems.append(f"{place}: points half given: fill all of {', '.join(POINTS)}, or none")
        else:
            numbers = cells.numbers(texts, f"{place}, {', '.join(POINTS)}", problems=problems)
            points = np.array(numbers, np.float32).reshape(2, 2)
    if row["rank"]:
        [rank] = cells.numbers([row["rank"]], f"{place}, rank", problems=problems)
    if row["probability"]:
        [probability] = cells.numbers([row["probability"]], f"{place}, probability", problems=problems)
    entry = Decision(
        *(row[column] for column in COLUMNS[:4]),
        points=points,
        reviewer=row["reviewer"],
        time=row["time"],
        rank=int(rank) if rank and np.isfinite(rank) else None,
        probability=probability,
        place=place,
    )
    problems += [f"{place}: {flaw}" for flaw in _flaws(entry)]
    return entry


def _flaws(entry: Decision) -> Iterator[str]:
    """Why a decision makes no sense."""
    if not cells.basename(entry.image):
        yield "no name of a photo in column Image"
    if entry.decision not in WORDS:
        words = ", ".join(filter(None, WORDS))
        yield f"unknown decision {short(entry.decision)!r}{cells.hint(entry.decision, WORDS)}: write {words} or nothing"
    elif entry.decision in NAMING and not entry.whale:
        yield f"the decision is {entry.decision}, and whaleID is empty: name the whale"
    elif entry.whale and entry.decision not in NAMING:
        yield f"whaleID is {short(entry.whale)}, and the decision {entry.decision!r}: write whale or new, or no name"
    if kind := cells.damage(entry.whale):
        yield f"{short(entry.whale)} is no name, it looks like {kind}, which spreadsheets make of names"
    yield from filter(None, map(cells.flaw, (entry.image, entry.whale, entry.encounter)))
    try:
        moment(entry)
    except ValueError:
        yield f"{short(entry.time)!r} in column time is no time: write it as 2026-06-01T12:30:00Z"
