"""The catalogue in a person's folder: its photos and all that the files beside them say, in any of the usual layouts.

data/formats has a reader for each layout. What it returns is joined here, photo by photo: names are looked up, files
must agree, words for no whale are counted, and numbers that seem to be no pixels are asked about. Photos that no file
gives a whale are unlabelled.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from whale_jax.data import cells, doubts, encounters, folder, formats, headers, marks, merging, reviews
from whale_jax.data.catalogue import Catalogue, Photo
from whale_jax.data.cells import hint, short
from whale_jax.data.folder import Folder
from whale_jax.data.merging import Merged
from whale_jax.data.names import Names
from whale_jax.data.photo_files import Note
from whale_jax.data.rows import Reading, Row, Settings
from whale_jax.runtime.errors import InputError

MARKS = {"bonnet": 2, "blowhead": 2, "box": 4}
_CORNERS = np.array([(-0.30, -0.46), (-0.30, 0.46), (1.26, 0.46), (1.26, -0.46)])  # of a head, from blowhead to bonnet


def read(root: str | Path, settings: Settings | None = None, *, absent: bool = False) -> Catalogue:
    """Reads the catalogue in a folder. Everything wrong with its tables is reported in one InputError.

    Args:
        root: the folder.
        settings: what a person says about it; None for nothing.
        absent: whether a folder of tables may be without any photo. Its catalogue then lists what the tables name.
    """
    files, problems = folder.read(Path(root)), []
    settings = settings or Settings()
    if not files.photos and not (absent and files.tables):
        raise InputError(f"no photos in {files.root}: put them there")
    names = formats.recognise(files, settings.format)
    reading = _join([formats.read(name, files, settings=settings, problems=problems) for name in names])
    if all(formats.FORMATS[name].pixels for name in names) and not settings.units:
        settings = settings._replace(units="pixels")
    listed = files.photos or _named(reading)
    lookup = Names(listed)
    sample = _sample(reading, lookup, root=files.root, problems=problems)
    merge = merging.merge(reading, lookup, settings=settings, root=files.root, problems=problems)
    review = reviews.read(files.decisions, lookup, root=files.root, no_whale=settings.no_whale, problems=problems)
    problems += _mismatches(merge.whales, reading, sample)
    cells.report(problems)
    warnings = [*folder.unread(files), *_silent(files, reading), *_homeless(files)]
    if not files.photos:
        warnings.insert(0, f"no photo is in {files.root}: these are the names that its tables have")
    photos = _photos(merge.whales, listed)
    notes = headers.read([files.photos.get(photo.file) for photo in photos])
    photos, remarks = _in_pixels(photos, notes, whales=merge.whales, settings=settings)
    reviewed = reviews.join(photos, review)
    photos, lines = _dated(photos, notes, reviewed=reviewed.photos, settings=settings)
    warnings += [*remarks, *reviewed.warnings, *lines]
    cells.report([reason for photo in photos for reason in _mistakes(photo)])
    columns = _whales(reading, photos, warnings=warnings)
    if merge.shared:
        warnings.append(
            f"photos of several whales, without marks that tell which is where: {cells.examples(merge.shared)}"
        )
    if unused := merge.unused + reviewed.unused:
        warnings.append(f"{unused:,} annotations speak of photos that are not in {files.root}")
    readers = {photo.name: listed[photo.file].read for photo in photos}
    evidence = (f"read as {name}: {text}" for name, text in names.items())
    return Catalogue(
        files.root,
        photos,
        columns,
        functools.partial(_read, readers),
        unused,
        sample=tuple(sample),
        notes=(*evidence, *reading.notes, *_counted(merge.words), *reviewed.notes),
        warnings=tuple(warnings),
        formats=tuple(names),
    )


def _whales(reading: Reading, photos: Sequence[Photo], *, warnings: list[str]) -> tuple[str, ...]:
    """The names of all whales: the columns of a sample submission first, then all that the photos have, sorted."""
    names = sorted({photo.whale for photo in photos} - {""})
    if alike := doubts.alike(names):
        warnings.append(f"names of whales that differ in case, blanks or hyphens alone: {cells.examples(alike)}")
    new = sorted({*names}.difference(reading.whales))
    if reading.whales and new:
        warnings.append(
            f"whales that people decided on, and sample_submission.csv has no column of: {cells.examples(new)}"
        )
    return (*reading.whales, *new)


def _counted(words: Mapping[str, int]) -> list[str]:
    """A line about the words that stand in place of a whale's name."""
    texts = [f"{word!r} {count:,} times" for word, count in words.items()]
    return [f"no whale: {', '.join(texts)}"] if texts else []


def around(points: np.ndarray) -> np.ndarray:
    """(N, 4) boxes (x, y, width, height) around heads, by (N, 2, 2) bonnet and blowhead; all in pixels."""
    bonnet, blowhead = points[:, 0], points[:, 1]
    ahead = bonnet - blowhead
    aside = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    corners = blowhead[:, None] + _CORNERS @ np.stack([ahead, aside], axis=1)
    low, high = corners.min(1), corners.max(1)
    return np.concatenate([low, high - low], axis=1)


def _join(readings: Sequence[Reading]) -> Reading:
    """What several readers of one folder say, the first of them first."""
    if len(readings) == 1:
        return readings[0]
    sources = tuple(source for reading in readings for source in reading.sources)
    notes = tuple(note for reading in readings for note in reading.notes)
    first = next((reading for reading in readings if reading.whales), readings[0])
    return Reading(sources, readings[0].labels_first, first.whales, first.sample, notes)


def _named(reading: Reading) -> dict[str, folder.File]:
    """The photos that tables name, where none is there."""
    names = {cells.clean(row.path).replace("\\", "/") for source in reading.sources for row in source.rows}
    return dict.fromkeys(sorted(names - {""}), folder.File(0, _absent, _absent))


def _absent() -> bytes:
    raise InputError("the photo is not in the folder")


def _read(readers: Mapping[str, Callable[[], bytes]], name: str) -> bytes:
    return readers[name]()


def _sample(reading: Reading, names: Names, *, root: Path, problems: list[str]) -> dict[str, Row]:
    """The photos of the sample submission, in its order."""
    rows: dict[str, Row] = {}
    for row in reading.sample:
        name, _ = names.find(row.path)
        if not name:
            problems.append(f"{row.place}: no photo {short(row.path)} in {root}: add it, or remove the row")
        elif name in rows:
            problems.append(f"{row.place}: {short(name)} is in {rows[name].place} already: remove one of them")
        rows.setdefault(name, row)
    return rows


def _mismatches(whales: Sequence[Merged], reading: Reading, sample: Mapping[str, Row]) -> list[str]:
    """Where the labels contradict the sample submission."""
    problems, columns = [], {*reading.whales}
    for entry in whales:
        whale, place = entry.facts.get("whale"), entry.places.get("whale")
        if whale and columns and whale not in columns:
            problems.append(f"{place}: {short(whale)} is not a column of sample_submission.csv{hint(whale, columns)}")
        if whale and entry.file in sample:
            row = sample[entry.file].place
            problems.append(f"{row}: {short(entry.file)} has a whale already ({place}): remove one of the rows")
    return problems


def _silent(files: Folder, reading: Reading) -> list[str]:
    """A line about tables of which no row was read."""
    rows = [row for source in reading.sources for row in source.rows] + [*reading.sample]
    names = [path.name for path in files.tables]
    unread = [name for name in names if not any(row.place.startswith(f"{name} ") for row in rows)]
    return [f"tables not read: {cells.examples(unread)}"] if unread else []


def _homeless(files: Folder) -> list[str]:
    """A line about photos beside imgs, which the competition's folder has none of."""
    home = files.root / folder.HOME
    beside = [name for name in files.photos if (files.root / name).is_file()] if home.is_dir() else []
    return [f"photos outside {folder.HOME}, which are read as well: {cells.examples(beside)}"] if beside else []


def _photos(whales: Sequence[Merged], files: Mapping[str, folder.File]) -> list[Photo]:
    """One entry for each whale on each photo."""
    photos, counts = [], {}
    for file, facts, places in whales:
        number = counts[file] = counts.get(file, 0) + 1
        bonnet, blowhead, box = (facts.get(kind, (np.nan,) * count) for kind, count in MARKS.items())
        points, box = np.array([bonnet, blowhead], np.float32), np.array(box, np.float32)
        name = file if number == 1 else f"{file}#{number}"
        texts = {kind: facts.get(kind, "") for kind in ("whale", "encounter", "date")}
        size = files[file].size
        photos.append(Photo(name, points=points, box=box, file_size=size, places=places, file=file, **texts))
    return photos


def _in_pixels(
    photos: Sequence[Photo], notes: Sequence[Note], *, whales: Sequence[Merged], settings: Settings
) -> tuple[list[Photo], list[str]]:
    """The photos with marks in stored pixels, by the notes on their files; and warnings."""
    points, boxes, warnings = marks.in_pixels(
        np.array([photo.points for photo in photos], float).reshape(-1, 2, 2),
        np.array([photo.box for photo in photos], float).reshape(-1, 4),
        names=[photo.file for photo in photos],
        notes=notes,
        drawn_on=np.array([whale.facts.get("size", (np.nan,) * 2) for whale in whales], float).reshape(-1, 2),
        settings=settings,
    )
    return [p._replace(points=xy, box=box) for p, xy, box in zip(photos, points, boxes, strict=True)], warnings


def _dated(
    photos: Sequence[Photo], notes: Sequence[Note], *, reviewed: Sequence[Photo], settings: Settings
) -> tuple[tuple[Photo, ...], list[str]]:
    """The reviewed photos with dates and encounters, by the notes on the files of all photos; and warnings.

    Encounters are made where no file of the folder names any; those that a person decided on stay.
    """
    by_file = {photo.file: note for photo, note in zip(photos, notes, strict=True)}
    notes, warnings = [by_file[photo.file] for photo in reviewed], []
    named = [photo.encounter for photo in reviewed]
    if not any(photo.encounter for photo in photos):
        columns = [photo.whale for photo in reviewed], [photo.date for photo in reviewed]
        derived, warnings = encounters.name(*columns, notes=notes, gap_minutes=settings.gap_minutes)
        named = [first or second for first, second in zip(named, derived, strict=True)]
    dates = [photo.date or str(note.time or "") for photo, note in zip(reviewed, notes, strict=True)]
    values = zip(reviewed, named, dates, strict=True)
    return tuple(photo._replace(encounter=name, date=date) for photo, name, date in values), warnings


def _mistakes(photo: Photo) -> Iterator[str]:
    """Why the marks of a photo cannot be right."""
    if np.linalg.norm(photo.points[0] - photo.points[1]) < 1:
        yield f"{photo.places['blowhead']}: the two points of {photo.file} are equal: remove or redraw them"
    if (photo.box[2:] <= 0).any():
        yield f"{photo.places['box']}: the box of {photo.file} has no area"
