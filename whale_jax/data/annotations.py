"""The annotations of the photos in a person's folder, in any of the usual layouts.

- The competition's: `imgs/` (or `imgs.zip`), `train.csv`, `sample_submission.csv`, and annotations by others:
  `points1.json` (bonnet) and `points2.json` (blowhead) of Sloth, and any `train_with_*.csv`. Only photos are a must.
- Other people's: photos in the folder itself or in `imgs/`, and one CSV with Image, whaleID and any of bonnet_x,
  bonnet_y, blowhead_x, blowhead_y, x, y, width, height, encounter. An empty cell is an unknown.
- Ready crops: `train/`, `test/` and `train.csv`.

Photos that no table gives a whale are unlabelled. Where there is a train.csv, no other table gives whales.
A table of whales may list only photos that are there. What others drew may speak of more (they had all 4,544 photos,
a person may have ten): those rows are counted and passed over, unless not one photo of the file is there.
"""

import functools
import math
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from whale_jax.data import tables
from whale_jax.data.tables import MOST, Row, hint, short
from whale_jax.runtime.errors import InputError

LARGEST = 256 << 20  # bytes of a photo's file: one of 50 megapixels has a tenth of that
_EMPTY = Row("", {}, "")
_CORNERS = np.array([(-0.30, -0.46), (-0.30, 0.46), (1.26, 0.46), (1.26, -0.46)])  # of a head, from blowhead to bonnet


class Photo(NamedTuple):
    """One photo and its annotations.

    Attributes:
        name: of its file, such as "w_1.jpg".
        whale: its whaleID, "" where unlabelled.
        points: (2, 2) float32 bonnet and blowhead as (x, y), in pixels; NaN where unknown.
        box: (4,) float32 head box (x, y, width, height), in pixels; NaN where unknown.
        encounter: name of the sighting, "" where unknown.
        file_size: in bytes.
        places: kind of annotation ("bonnet", "box") -> the file and row that gave it, for messages.
    """

    name: str
    whale: str
    points: np.ndarray
    box: np.ndarray
    encounter: str
    file_size: int
    places: Mapping[str, str]


class Catalogue(NamedTuple):
    """A folder's photos, sorted by name.

    Attributes:
        root: the folder.
        photos: all of them.
        whales: columns of the sample submission in their order, else the labels of the photos, sorted.
        read_bytes: name -> content of the photo's file. May be called from several threads.
        unused: number of annotations that speak of photos which are not there.
        sample: names of the photos in the sample submission, in its order.
    """

    root: Path
    photos: tuple[Photo, ...]
    whales: tuple[str, ...]
    read_bytes: Callable[[str], bytes]
    unused: int
    sample: tuple[str, ...] = ()


def read(root: str | Path) -> Catalogue:
    """Reads the catalogue in a folder. Everything wrong with its tables is reported in one InputError."""
    root, problems = Path(root), []
    sizes, read_bytes = _find_photos(root)
    labels, sample_path = _find_labels(root), root / "sample_submission.csv"
    listed = tables.read_table(labels, problems, required=("Image", "whaleID")) if labels else {}
    drawn = [
        tables.read_sloth(root / file, key, problems=problems)
        for file, key in (("points1.json", "bonnet"), ("points2.json", "blowhead"))
        if (root / file).exists()
    ]
    drawn += [tables.read_table(path, problems) for path in sorted(root.glob("train_with_*.csv")) if path != labels]
    whales, names = tables.read_sample(sample_path, problems) if sample_path.exists() else ((), {})
    problems += _mismatches(listed, whales, names)
    for row in (*listed.values(), *names.values()):
        if row.name not in sizes:
            close = hint(row.name, sizes) if len(problems) < MOST else ""  # it is slow
            problems.append(f"{row.place}: no photo {short(row.name)} in {root}{close}: add it, or remove the row")
    for rows in drawn:
        if rows and not rows.keys() & sizes.keys():
            row = next(iter(rows.values()))
            reason = f"neither {short(row.name)} nor any other photo of this file is in {root}"
            problems.append(f"{row.place}: {reason}: remove the file")
    tables.report(problems)

    sources = [listed, *drawn]
    photos = tuple(_merge(name, size, sources, labels is not None, problems) for name, size in sorted(sizes.items()))
    tables.report(problems)
    whales = whales or tuple(sorted({photo.whale for photo in photos} - {""}))
    unused = sum(len(rows.keys() - sizes.keys()) for rows in drawn)
    return Catalogue(root, photos, whales, read_bytes, unused, tuple(names))


def around(points: np.ndarray) -> np.ndarray:
    """(N, 4) boxes (x, y, width, height) around heads, by (N, 2, 2) bonnet and blowhead; all in pixels."""
    bonnet, blowhead = points[:, 0], points[:, 1]
    ahead = bonnet - blowhead
    aside = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    corners = blowhead[:, None] + _CORNERS @ np.stack([ahead, aside], axis=1)
    low, high = corners.min(1), corners.max(1)
    return np.concatenate([low, high - low], axis=1)


def _mismatches(listed: Mapping[str, Row], whales: tuple[str, ...], sample: Mapping[str, Row]) -> Iterator[str]:
    """Where a table of whales contradicts the sample submission."""
    columns = set(whales)
    for name, row in listed.items():
        whale = row.facts.get("whale")
        if whale and columns and whale not in columns:
            yield f"{row.place}: {short(whale)} is not a column of sample_submission.csv{hint(whale, whales)}"
        if whale and name in sample:
            yield f"{sample[name].place}: {short(name)} has a whale already ({row.place}): remove one of the rows"


def _find_photos(root: Path) -> tuple[dict[str, int], Callable[[str], bytes]]:
    """The photos' file sizes by name, and the function that reads one."""
    if not root.is_dir():
        raise InputError(f"no folder {str(root)!r}: give the one that holds the photos and their tables")
    places = [root / "imgs"] if (root / "imgs").is_dir() else [p for p in (root / "imgs.zip",) if p.exists()]
    places = places or [folder for folder in (root / "train", root / "test") if folder.is_dir()] or [root]
    sizes: dict[str, int] = {}
    readers: dict[str, Callable[[], bytes]] = {}
    for path, size, reader in (file for place in places for file in _files(place)):
        name = tables.basename(path)
        if Path(name).suffix.lower() in tables.SUFFIXES and not name.startswith("."):
            _check_file(path, name, size)
            if name in sizes:
                raise InputError(f"{path}: there are two photos of this name: rename one of them")
            sizes[name], readers[name] = size, reader
    if not sizes:
        raise InputError(f"no photos in {' and '.join(map(str, places))}: put them there")
    return sizes, functools.partial(_read, readers)


def _check_file(path: str, name: str, size: int) -> None:
    """Raises InputError where a photo's file has a name that is no text, or is too large to be a photo."""
    if "\\udc" in ascii(name):  # how Python keeps bytes that it cannot decode
        encoding = sys.getfilesystemencoding()
        raise InputError(f"the file name {path!a} is not in {encoding}: rename it, or set PYTHONUTF8=1")
    if reason := tables.flaw(name):
        raise InputError(f"the file name {reason}: rename it")
    if size > LARGEST:
        gib = f"{size / 2**30:.2f} GiB, more than {LARGEST / 2**30:.2f}"
        raise InputError(f"{path} is too large for a photo ({gib}): remove it")


def _read(readers: Mapping[str, Callable[[], bytes]], name: str) -> bytes:
    return readers[name]()


def _content(opener: Callable[[], BinaryIO], size: int) -> bytes:
    """The content of a photo's file. Its folder or zip file gives the size, and no more than that is read."""
    with opener() as file:
        content = file.read(size + 1)
    if len(content) != size:
        raise InputError(f"its file does not have the {size} bytes that its folder or zip file tells")
    return content


def _files(place: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    """Path, size and reader of every file in a folder or a zip file."""
    if place.is_dir():
        for path in sorted(place.iterdir()):
            if path.is_file():
                size, opener = path.stat().st_size, functools.partial(path.open, "rb")
                yield str(path), size, functools.partial(_content, opener, size)
        return
    try:
        archive = zipfile.ZipFile(place)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise InputError(f"{place} is no complete zip file ({error}): copy it again") from error
    for member in archive.infolist():
        size, opener = member.file_size, functools.partial(archive.open, member)
        yield f"{place}/{member.filename}", size, functools.partial(_content, opener, size)


def _find_labels(root: Path) -> Path | None:
    """The table that says which photo is which whale: train.csv, or the only one of unknown purpose."""
    if (root / "train.csv").exists():
        return root / "train.csv"
    candidates = sorted({*root.glob("*.csv")} - {*root.glob("train_with_*.csv"), root / "sample_submission.csv"})
    if len(candidates) > 1:
        raise InputError(f"{root} has several tables ({', '.join(p.name for p in candidates)}): call one train.csv")
    return candidates[0] if candidates else None


def _merge(name: str, size: int, sources: list[dict[str, Row]], labelled: bool, problems: list[str]) -> Photo:
    """The annotations of a photo from all sources, which must agree to a pixel; if `labelled`, the first names it."""
    facts, places = {}, {}
    for source in sources:
        row = source.get(name, _EMPTY)
        for key, value in row.facts.items():
            if key == "whale" and labelled and source is not sources[0]:
                continue
            if not _agree(facts.setdefault(key, value), value):
                values = f"{short(str(value))} here and {short(str(facts[key]))} in {places[key]}"
                problems.append(f"{row.place}: {key} of {short(name)} is {values}: remove one of them")
            places.setdefault(key, row.place)
    if "bonnet" in facts and "blowhead" in facts and math.dist(facts["bonnet"], facts["blowhead"]) < 1:
        problems.append(f"{places['blowhead']}: the two points of {name} are equal: remove or redraw them")
    if "box" in facts and min(facts["box"][2:]) <= 0:
        problems.append(f"{places['box']}: the box of {name} has no area")
    points = np.array([facts.get(key, (math.nan,) * 2) for key in ("bonnet", "blowhead")], np.float32)
    box = np.array(facts.get("box", (math.nan,) * 4), np.float32)
    return Photo(name, facts.get("whale", ""), points, box, facts.get("encounter", ""), size, places)


def _agree(a: str | tuple, b: str | tuple) -> bool:
    return a == b if isinstance(a, str) else max(abs(x - y) for x, y in zip(a, b, strict=True)) < 1
