"""catalogue.html, a page to look through: the photos of each whale, with what was understood drawn over them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from whale_jax.data import check, render
from whale_jax.data.catalogue import Catalogue, Photo
from whale_jax.report import html
from whale_jax.runtime import progress, threads
from whale_jax.runtime.errors import InputError

FILE, THUMBNAILS = "catalogue.html", "thumbnails"
SIDE = 240  # the longer one of a thumbnail, in pixels
MOST = 5_000  # photos on a page, which has 3 MB then and is shown at once
MOST_WARNINGS = 20
ABSENT = "the photo is not in the folder"
REMARKS = {
    "blank": "has blank parts, or is of one colour",
    "cut": "lacks the end of its file",
    "turned": "is turned by viewers (EXIF), and shown as stored",
}


class Thumbnail(NamedTuple):
    """A photo's small picture.

    Attributes:
        url: of its file, seen from the page; "" where there is none.
        width, height: in pixels.
        problem: why there is none.
    """

    url: str = ""
    width: int = 0
    height: int = 0
    problem: str = ""


class Card(NamedTuple):
    """One whale on one photo, as the page shows it.

    Attributes:
        photo: its annotations.
        thumbnail: of the photo. Two whales on it share its file.
        points: "bonnet", "blowhead" -> (x, y) in pixels of the thumbnail, without those that are unknown.
        box: (x, y, width, height) in pixels of the thumbnail, () where unknown.
        remarks: lines about what is wrong with the photo.
    """

    photo: Photo
    thumbnail: Thumbnail
    points: Mapping[str, Sequence[float]]
    box: Sequence[float]
    remarks: Sequence[str]


class Section(NamedTuple):
    """The photos of a whale: its name, "" for those without one; their number; and the cards of those shown."""

    whale: str
    total: int
    cards: Sequence[Card]


def write(
    workdir: Path,
    catalogue: Catalogue,
    *,
    photos: Sequence[check.Checked],
    counts: Mapping[str, int],
    warnings: Sequence[str],
) -> None:
    """Writes workdir/catalogue.html and the thumbnails beside it.

    Args:
        workdir: the folder.
        catalogue: the folder of photos, as it was understood.
        photos: the results of decoding the catalogue's, in its order; none where no photo is there.
        counts: "photos", "heads", "whales" and so on, as programs.catalogue counts them.
        warnings: lines that a person should look into.
    """
    rows = photos or [check.Checked(photo, problem=ABSENT) for photo in catalogue.photos]
    groups, totals = choose(rows, most=MOST)
    chosen = [row for group in groups.values() for row in group]
    pictures = thumbnails(workdir / THUMBNAILS, catalogue.read_bytes, photos=chosen)
    sections = [
        Section(whale, totals[whale], [card(row, pictures.get(row.photo.file, Thumbnail())) for row in group])
        for whale, group in groups.items()
    ]
    html.write(
        workdir / FILE,
        html.TEMPLATES.get_template(FILE),
        name=catalogue.root.resolve().name,
        catalogue=catalogue,
        counts=counts,
        warnings=warnings[:MOST_WARNINGS],
        further_warnings=len(warnings[MOST_WARNINGS:]),
        sections=sections,
        shown=len(chosen),
    )


def choose(rows: Iterable[check.Checked], *, most: int) -> tuple[dict[str, list[check.Checked]], dict[str, int]]:
    """The photos to show: all of them, or the first of each whale.

    Args:
        rows: decoded photos, of any whales.
        most: the number to show. Every whale has a turn before any has its second.

    Returns:
        whale -> its photos, those with the most photos first and those without a name last; and whale -> how many
        there are.
    """
    photos: dict[str, list[check.Checked]] = {}
    for row in rows:
        photos.setdefault(row.photo.whale, []).append(row)
    order = sorted(photos, key=lambda whale: (not whale, -len(photos[whale]), whale))
    turns = [(turn, row) for whale in order for turn, row in enumerate(photos[whale])]
    groups: dict[str, list[check.Checked]] = {}
    for _, row in sorted(turns, key=itemgetter(0))[:most]:
        groups.setdefault(row.photo.whale, []).append(row)
    return groups, {whale: len(group) for whale, group in photos.items()}


def thumbnails(
    folder: Path, read_bytes: Callable[[str], bytes], *, photos: Iterable[check.Checked]
) -> dict[str, Thumbnail]:
    """Writes small pictures of photos, in their pixels as stored.

    Args:
        folder: of their files, which is made. Their names are numbers: those of photos may be of no use in an address.
        read_bytes: name of a photo -> content of its file.
        photos: decoded ones. Those that cannot be decoded get no picture.

    Returns:
        path of a photo -> its thumbnail.
    """
    rows = {row.photo.file: row for row in photos if not row.problem}
    if not rows:
        return {}
    folder.mkdir(exist_ok=True)

    def shrink(item: tuple[int, check.Checked]) -> Thumbnail:
        number, row = item
        scale = SIDE / max(row.size)
        try:
            pixels = render.decode(read_bytes(row.photo.name), (scale, scale))
        except (InputError, OSError) as error:  # what `check.decode` has passed over, or a file that has gone since
            return Thumbnail(problem=str(error))
        Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=html.QUALITY)
        return Thumbnail(f"{folder.name}/{number}.jpg", pixels.shape[1], pixels.shape[0])

    results = threads.ahead(shrink, enumerate(rows.values(), 1))
    return dict(zip(rows, progress.bar(len(rows), title="thumbnails", unit="photos", items=results), strict=True))


def card(row: check.Checked, thumbnail: Thumbnail) -> Card:
    """What the page shows of a decoded photo and its thumbnail."""
    problem = row.problem or thumbnail.problem
    if problem:
        return Card(row.photo, thumbnail, {}, (), [problem])
    scale = np.array([thumbnail.width, thumbnail.height]) / row.size[::-1]
    points = {
        kind: (point * scale).round(1).tolist()
        for kind, point in zip(("bonnet", "blowhead"), row.photo.points, strict=True)
        if np.isfinite(point).all()
    }
    box = (row.photo.box * np.tile(scale, 2)).round(1).tolist() if np.isfinite(row.photo.box).all() else ()
    remarks = [text for kind, text in REMARKS.items() if getattr(row, kind)]
    for kind, (x, y) in points.items():
        if not (0 <= x <= thumbnail.width and 0 <= y <= thumbnail.height):
            remarks.append(f"{kind} outside the photo")
    return Card(row.photo, thumbnail, points, box, remarks)
