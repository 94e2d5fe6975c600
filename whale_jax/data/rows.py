"""What a reader of a format returns: rows of annotations, each with its place in a file, and how it understood them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

from whale_jax.data import cells
from whale_jax.data.folder import Folder
from whale_jax.runtime import errors

MARKS = {"bonnet": 2, "blowhead": 2, "box": 4, "size": 2}  # kinds of numbers, and how many of them
TEXTS = ("whale", "encounter", "date")
POINT_NAMES = {  # how people call the points, see cells.key
    "bonnet": ("bonnet", "bonnettip", "tip", "nose", "rostrum"),
    "blowhead": ("blowhead", "blowhole", "blowholes", "blow"),
}

UNITS, TURNS = ("", "pixels", "percent", "fraction"), ("", "stored", "viewed")
CHOICES = {"units": UNITS, "orientation": TURNS}

Fact = str | tuple[float, ...]


class Row(NamedTuple):
    """The annotations of one whale on one photo, in one row of a file.

    Attributes:
        path: of the photo, as the file writes it.
        facts: the texts of TEXTS, the numbers of MARKS; none that is unknown. A point is (x, y), a box (x, y, width,
            height), and "size" the (width, height) of the photo that they were drawn on, all in pixels.
        place: the file and the row, as a person counts.
    """

    path: str
    facts: dict[str, Fact]
    place: str


class Source(NamedTuple):
    """The rows of one file. `only_present`: whether each must be of a photo that is there."""

    rows: Sequence[Row]
    only_present: bool = False


class Reading(NamedTuple):
    """All that the files of a folder say.

    Attributes:
        sources: a file each. They must agree.
        labels_first: whether the first source alone says which whale is where.
        whales: names in the order of a sample submission; () where none is there.
        sample: rows of the photos in it.
        notes: lines that tell a person how the files were understood.
    """

    sources: tuple[Source, ...]
    labels_first: bool = False
    whales: tuple[str, ...] = ()
    sample: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()


class Settings(NamedTuple):
    """What a person may say about their files, where the files do not.

    Attributes:
        format: name of the format; several are joined by "+"; "" is to recognise it.
        columns: column of ours -> the table's.
        no_whale: words in place of a whale's name; empty cells and question marks are none either.
        units: of points and boxes: "pixels", "percent" or "fraction" of the photo; "" is to ask where in doubt.
        orientation: whether points and boxes are of the photo as it is "stored", or as it is "viewed", turned by EXIF;
            "" is to ask where it seems the latter.
        gap_minutes: the longest time between two photos of one encounter, where no column names encounters.
    """

    format: str = ""
    columns: Mapping[str, str] = {}
    no_whale: tuple[str, ...] = cells.NO_WHALE
    units: str = ""
    orientation: str = ""
    gap_minutes: float = 10.0

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """The settings under the same keys of a config. A word that is no choice raises InputError."""
        for key, choices in CHOICES.items():
            if config[key] not in choices:
                raise errors.unknown(key, config[key], choices)
        return cls(**{key: config[key] for key in cls._fields})


class Format(NamedTuple):
    """A layout of a person's folder. Whoever adds one writes a file, and names it in formats.FORMATS.

    Attributes:
        evidence: (folder) -> what it is recognised by, for a message; "" where the folder is not of this format.
        read: (folder, settings, *, problems) -> what the files say. Mistakes in single rows are added to `problems`.
        pixels: whether the numbers that it returns are pixels for certain, as those of annotation tools are.
    """

    evidence: Callable[[Folder], str]
    read: Callable[..., Reading]
    pixels: bool = False


def point_kind(*texts: object) -> str:
    """ "bonnet" or "blowhead", by what a person called a point; "" for other names."""
    keys = {cells.key(str(text)) for text in texts}
    return next((kind for kind, names in POINT_NAMES.items() if keys & {*names}), "")


def heads_of_whales(
    marks: Sequence[tuple[str, tuple[float, ...], str]], place: str, *, texts: Mapping[str, Fact], problems: list[str]
) -> list[dict[str, Fact]]:
    """The facts of each head on a photo, as `heads` has them, with the texts of the photo; those alone without a head.

    Marks may have the name of their whale, "" for none. Where there are several heads and names, marks of one name are
    of one head, which has that name in place of the photo's.
    """
    by_whale: dict[str, list] = {}
    for kind, numbers, whale in marks:
        by_whale.setdefault("" if cells.key(whale) in cells.EMPTY else whale, []).append((kind, numbers))
    is_single = len(by_whale.keys() - {""}) < 2 and len({kind for kind, *_ in marks}) == len(marks)
    if len(by_whale) < 2 or is_single:
        return [{**texts, **facts} for facts in heads([mark[:2] for mark in marks], place, problems=problems)] or [
            {**texts}
        ]
    if len({frozenset(dict(group)) for group in by_whale.values()}) > 1:
        names = ", ".join(whale or "no whale" for whale in by_whale)
        problems.append(f"{place}: not every whale has the same marks ({names}): draw them all, and name each")
        return [{**texts}]
    plain = {kind: text for kind, text in texts.items() if kind != "whale"}
    return [
        {**plain, **facts, **({"whale": whale} if whale else {})}
        for whale, group in by_whale.items()
        for facts in heads(group, place, problems=problems)
    ]


def heads(marks: Sequence[tuple[str, tuple[float, ...]]], place: str, *, problems: list[str]) -> list[dict[str, Fact]]:
    """Marks of one photo -> the facts of each head: the first bonnet goes with the first blowhead and the first box.

    Args:
        marks: kind and numbers of each, in the order of the file.
        place: of the photo in the file.
        problems: gets a line where the marks do not go together.
    """
    by_kind: dict[str, list] = {}
    for kind, values in marks:
        by_kind.setdefault(kind, []).append(values)
    counts = {kind: len(values) for kind, values in by_kind.items()}
    if len({*counts.values()}) > 1 and max(counts.values()) > 1:
        texts = ", ".join(f"{count} of {kind}" for kind, count in counts.items())
        problems.append(f"{place}: {texts} on one photo: draw each once for every head")
        return []
    return [dict(zip(by_kind, values, strict=True)) for values in zip(*by_kind.values(), strict=True)]
