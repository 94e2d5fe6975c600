"""What people decided in one review or several, joined to the photos of a folder, whose own files it comes before."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from whale_jax.data import cells, decisions, names
from whale_jax.data.catalogue import Photo
from whale_jax.data.cells import short
from whale_jax.data.decisions import NAMING, Decision
from whale_jax.data.names import Names

POINTS = ("bonnet", "blowhead")


class Head(NamedTuple):
    """The decisions that count about a whale on a photo: on its name, points and encounter; None where nobody did."""

    name: Decision | None
    points: Decision | None
    encounter: Decision | None


class Review(NamedTuple):
    """What files of decisions say of the photos that are there.

    Attributes:
        files: their paths below the folder of photos.
        heads: (path of the photo, which whale on it, from 1) -> the decisions that count.
        unused: number of rows about photos that are not there.
        warnings: lines about decisions that contradict each other.
    """

    files: tuple[str, ...]
    heads: Mapping[tuple[str, int], Head]
    unused: int
    warnings: tuple[str, ...]


class Reviewed(NamedTuple):
    """Photos after a review, the number of rows about photos that are not there, and lines for a person."""

    photos: tuple[Photo, ...]
    unused: int
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def read(
    files: Mapping[Path, str], lookup: Names, *, root: Path, no_whale: Iterable[str] = (), problems: list[str]
) -> Review:
    """The decisions that count: of those that contradict each other, the latest.

    Args:
        files: path -> folder of each, see `Folder.decisions`.
        lookup: of the names of the photos.
        root: the folder of photos.
        no_whale: words that are no name of a whale.
        problems: gets a line for each row that could mean several photos, or names a whale by such a word.

    Raises:
        InputError: a damaged file.
    """
    rows: dict[tuple[str, int], list[Decision]] = {}
    unused, words = 0, {"", *map(cells.key, no_whale)}
    for path, home in files.items():
        for entry in decisions.read(path, root):
            file, reason = find(lookup, entry.image, home=home)
            if entry.whale and cells.key(entry.whale) in words:
                problems.append(f"{entry.place}: {short(entry.whale)!r} is no whale's name: write unusable or skip")
            if file:
                rows.setdefault((file, names.parse(cells.clean(entry.image))[1]), []).append(entry)
            elif reason == "is not there":
                unused += 1
            else:
                problems.append(f"{entry.place}: {short(entry.image)} {reason}")
    heads, lines = {}, []
    for key, entries in rows.items():
        entries.sort(key=decisions.moment)
        heads[key] = Head(
            _latest([entry for entry in entries if entry.decision], _verdict, lines),
            _latest([entry for entry in entries if np.isfinite(entry.points).all()], _marks, lines),
            next((entry for entry in reversed(entries) if entry.encounter), None),
        )
    lines += _named_twice(head.name for head in heads.values() if head.name)
    return Review(tuple(path.relative_to(root).as_posix() for path in files), heads, unused, _few(lines))


def find(lookup: Names, text: str, *, home: str) -> tuple[str, str]:
    """The photo that the `text` of a decision in a folder `home` means, and ""; or "" and the reason why there is none.

    Where the photo is gone, another of its name is not meant that lies outside of that folder, or in a folder that the
    path contradicts.
    """
    file, reason = lookup.find(text, home=home)
    path, name = names.path_of(text), cells.clean(file)
    exact = name in (cells.clean(home) + path, path)
    whole = "/" in name and f"/{path}".casefold().endswith(f"/{name}".casefold())  # such as "D:/survey/june/a.jpg"
    if file and not exact and not (whole or (file.startswith(home) and lookup.folders_shared(path, file) is None)):
        return "", "is not there"
    return file, reason


def join(photos: Sequence[Photo], review: Review) -> Reviewed:
    """The photos with the names, points and encounters of a review; those of the folder's files count for the rest.

    A second whale that the folder does not list is added to its photo.
    """
    if not review.files:
        return Reviewed(tuple(photos), 0, (), ())
    by_file: dict[str, list[Photo]] = {}
    for photo in photos:
        by_file.setdefault(photo.file, []).append(photo)
    unused, lines, joined = review.unused, [], []
    for (file, number), head in sorted(review.heads.items(), key=lambda pair: pair[0]):
        members = by_file[file]
        if number > len(members) + 1:
            unused += len({entry.place for entry in head if entry})
            continue
        if number > len(members):
            members.append(_blank(members[0], number))
        lines += _contradictions(members[number - 1], head.name)
        members[number - 1] = _decided(members[number - 1], head)
        joined.append(head)
    notes = (f"{cells.examples(review.files)}: {_counts(joined)}",)
    reviewed = dict.fromkeys(file for file, _ in sorted(review.heads))
    if doubles := [text for file in reviewed for text in _doubles(by_file[file])]:
        lines.append(f"photos on which one whale is named twice: {cells.examples(doubles)}")
    result = tuple(photo for members in by_file.values() for photo in members)
    return Reviewed(result, unused, notes, (*review.warnings, *_few(lines)))


def _latest(entries: Sequence[Decision], value: Callable[[Decision], str], lines: list[str]) -> Decision | None:
    """The last of some decisions in order of time; and a line for each earlier one of another value."""
    for entry in entries[:-1]:
        if value(entry) != value(entries[-1]):
            sides = [
                f"{value(side)} in {side.place} ({side.time or 'without a time'})" for side in (entry, entries[-1])
            ]
            lines.append(f"{short(entry.image)} is {sides[0]} and {sides[1]}: the later counts")
    return entries[-1] if entries else None


def _named_twice(entries: Iterable[Decision]) -> Iterator[str]:
    """A line for each name of a new whale that two reviews have given."""
    files: dict[str, dict[str, None]] = {}
    for entry in entries:
        if entry.decision == "new":
            files.setdefault(entry.whale, {})[entry.place.rpartition(" line ")[0]] = None
    for whale, places in files.items():
        if len(places) > 1:
            sides = cells.examples(sorted(places))
            yield f"{short(whale)} is new in {sides}: if these are several whales, give one another name"


def _verdict(entry: Decision) -> str:
    return short(entry.whale) or {"skip": "skipped"}.get(entry.decision, entry.decision)


def _marks(entry: Decision) -> str:
    bonnet, blowhead = (f"{x:.1f}, {y:.1f}" for x, y in entry.points)
    return f"marked at {bonnet} and {blowhead}"


def _blank(photo: Photo, number: int) -> Photo:
    """A further whale on a photo, of which nothing is known."""
    points, box = np.full((2, 2), np.nan, np.float32), np.full(4, np.nan, np.float32)
    return photo._replace(name=f"{photo.file}#{number}", whale="", points=points, box=box, places={})


def _decided(photo: Photo, head: Head) -> Photo:
    """A photo with what counts, and the places of it."""
    places = dict(photo.places)
    if head.encounter:
        photo = photo._replace(encounter=head.encounter.encounter)
        places["encounter"] = head.encounter.place
    if head.points:
        photo = photo._replace(points=head.points.points)
        places |= dict.fromkeys((*POINTS, "row"), head.points.place)
    if head.name and head.name.decision != "skip":
        photo = photo._replace(whale=head.name.whale)
        places |= dict.fromkeys(("whale", "row"), head.name.place)
    return photo._replace(places=places)


def _contradictions(photo: Photo, name: Decision | None) -> Iterator[str]:
    """A line where the folder's files name another whale than a person did, or name one and the person none."""
    if name and photo.whale and photo.whale != name.whale and name.decision != "skip":
        result = "the decision counts" if name.whale else "it is left without a name"
        old = f"{short(photo.whale)} in {photo.places.get('whale', 'the folder')}"
        yield f"{name.place}: {short(photo.name)} is {_verdict(name)} here and {old}: {result}"


def _doubles(heads: Sequence[Photo]) -> list[str]:
    counts = Counter(photo.whale for photo in heads if photo.whale)
    return [f"{heads[0].file} ({whale})" for whale, count in counts.items() if count > 1]


def _counts(heads: Sequence[Head]) -> str:
    """What was decided, in numbers."""
    words = Counter(head.name.decision for head in heads if head.name)
    whales = {head.name.whale for head in heads if head.name and head.name.decision == "new"}
    counts = {
        "photos named": sum(words[word] for word in NAMING),
        "new whales": len(whales),
        "unusable": words["unusable"],
        "skipped": words["skip"],
        "with points": sum(head.points is not None for head in heads),
    }
    texts = [f"{text}: {count:,}" for text, count in counts.items() if count]
    return ", ".join(texts) or "no decision about a photo that is here"


def _few(lines: Sequence[str]) -> tuple[str, ...]:
    """The first of some lines, and how many follow."""
    rest = [f"and {len(lines) - cells.MOST:,} more contradictions of decisions"] if len(lines) > cells.MOST else []
    return (*lines[: cells.MOST], *rest)
