"""A folder for each individual, at any depth: "Eg 1001/a.jpg", "2019/Eg 1001/left/a.jpg".

The innermost folder that is no date, no word of every day and no survey that was reviewed is the whale. A folder that
is a date gives the day.
"""

import itertools
import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from whale_jax.data import cells, decisions
from whale_jax.data.folder import Folder
from whale_jax.data.rows import Format, Reading, Row, Settings, Source

DATE = re.compile(r"(\d{4})([-_. ]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])\b.*")
YEAR = re.compile(r"(19|20)\d\d")
NUMBER = re.compile(r"\d{4}")  # of a right whale in its catalogue: a year, too, for some
DAY = re.compile(r"(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")  # month and day
ORDINARY = re.compile(  # names that cameras, surveys and datasets give to folders
    r"\d{3}[a-z_]{2,5}\d*|whales?|(photo|image|img|pic|picture|crop|head|survey|flight|day|camera|cam|session|trip"
    r"|left|right|top|train|valid|val|test|data|dcim|jpe?g|raw|original|edited|(un)?labell?ed|catalog(ue)?)s?[ _-]?\d*",
    re.IGNORECASE,
)
Level = tuple[str, ...]  # see `_level`
LEAST = 2  # individuals, below which folders say nothing of the kind


def evidence(folder: Folder) -> str:
    """What it is recognised by: photos in folders of at least two individuals."""
    whales = {*filter(None, individuals(folder, reviewed=()))}
    return f"folders such as {cells.examples(sorted(whales), most=3)}" if len(whales) >= LEAST else ""


def read(folder: Folder, settings: Settings, *, problems: list[str]) -> Reading:
    """A row for each photo, named by its folder."""
    reviewed = surveys(folder)
    rows, whales = [], individuals(folder, reviewed=reviewed)
    for name, whale in zip(folder.photos, whales, strict=True):
        days = [match for part in PurePosixPath(name).parts[:-1] if (match := DATE.fullmatch(part))]
        facts = {"whale": whale, "date": "-".join(days[-1].group(1, 3, 4)) if days else ""}
        rows.append(
            Row(name, {key: text for key, text in facts.items() if text}, f"folder {PurePosixPath(name).parent}")
        )
    named = sorted({*filter(None, whales)})
    notes = [f"the names of folders are the whales: {cells.examples(named, most=8)}; if not, set format to photos"]
    if reviewed:
        names = cells.examples(sorted(map(str, reviewed)))
        notes.append(f"surveys, and no whales, since decisions about them lie there: {names}")
    return Reading((Source(rows),), notes=tuple(notes))


def surveys(folder: Folder) -> set[PurePosixPath]:
    """The folders in which decisions lie that name another whale than the folder does."""
    return {
        PurePosixPath(path)
        for file, path in folder.decisions.items()
        if any(entry.whale not in ("", PurePosixPath(path).name) for entry in decisions.read(file, folder.root))
    }


def individuals(folder: Folder, *, reviewed: Collection[PurePosixPath]) -> list[str]:
    """The whale that the folders of each photo name, "" where none does; see `individual`."""
    numbered = numbered_levels(folder.photos)
    return [individual(name, numbered=numbered, reviewed=reviewed) for name in folder.photos]


def individual(name: str, *, numbered: Collection[Level], reviewed: Collection[PurePosixPath]) -> str:
    """The whale that the folders of a photo name, "" where none does.

    Args:
        name: of the photo, with its folders.
        numbered: see `numbered_levels`.
        reviewed: folders of surveys: neither they nor those above them are whales of their photos.
    """
    parents = [folder for folder in PurePosixPath(name).parents if folder.name]
    folders = [*itertools.takewhile(lambda folder: folder not in reviewed, parents)]
    numbers = [folder for folder in folders if NUMBER.fullmatch(folder.name) and _level(folder) in numbered]
    words = [folder for folder in folders if folder in numbers or not _is_ordinary(folder.name)]
    certain = [folder for folder in numbers if not (YEAR.fullmatch(folder.name) or DAY.fullmatch(folder.name))]
    return cells.clean((certain or words or [PurePosixPath()])[0].name)


def numbered_levels(names: Iterable[str]) -> set[Level]:
    """Where whales have numbers of four digits: one of them at least is no year of our time."""
    folders = {folder for name in names for folder in PurePosixPath(name).parents}
    return {_level(folder) for folder in folders if NUMBER.fullmatch(folder.name) and not YEAR.fullmatch(folder.name)}


def _level(folder: PurePosixPath) -> Level:
    """The folders above a folder, those alike that differ by a date, a year or a counter."""
    return tuple(
        "" if DATE.fullmatch(part) or YEAR.fullmatch(part) else part.rstrip("0123456789").casefold()
        for part in folder.parent.parts
    )


def _is_ordinary(part: str) -> bool:
    return any(pattern.fullmatch(part) for pattern in (DATE, YEAR, ORDINARY))


FORMAT = Format(evidence, read)
