"""report.html, one file to mail: each new photo's head beside the whales that it may be, with their most similar heads.

It shows what candidates.csv and the tables beside it say, see `answers`, so that they cannot differ; the pictures are
part of the file.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from whale_jax.data import images
from whale_jax.data.gallery_folder import gallery_rows
from whale_jax.data.right_whale import Photos
from whale_jax.report import answers, cmc, html
from whale_jax.report.answers import Answer, Answers
from whale_jax.report.heads import compared_view, head_aspect
from whale_jax.runtime import progress
from whale_jax.workflow import finished_runs
from whale_jax.workflow.finished_runs import Stage

FILE = "report.html"
LARGE, SMALL = 320, 200  # width of a new photo's head and of a candidate's, in pixels
QUALITY = 75  # of WebP: half the bytes of a JPEG of 80, and no difference to be seen on heads enlarged twice
MOST = 500  # photos on a page, which has about 10 MB then: some mail servers refuse 20
BATCH = 32  # heads that are cut at once


class Heads(NamedTuple):
    """The heads of N photos.

    Attributes:
        view: the pictures, maybe squashed.
        aspect: (N,) width over height at which people should see them; of no use where there is no picture.
    """

    view: images.View
    aspect: np.ndarray


class Picture(NamedTuple):
    """A picture within the page: the data: address of its WebP, and its size in pixels."""

    url: str
    width: int
    height: int


class Section(NamedTuple):
    """The photos of an encounter, or a photo without one.

    Attributes:
        total: their number.
        named: that of those with an answer.
        together: the answer of all photos of an encounter of several, or None.
        photos: those that the page shows.
    """

    total: int
    named: int
    together: Answer | None
    photos: Sequence[Answer]


def write(
    workdir: Path, new: Photos, *, photos: Photos, heads: tuple[Heads, Heads] | None, run: str, error: float
) -> None:
    """Writes workdir/report.html from candidates.csv there, and from encounters.csv, validation.csv and points.csv.

    Args:
        workdir: the folder of the tables, see `answers`.
        new: n photos that were asked for, and those of a gallery.
        photos: N photos of the run that answered.
        heads: those of `new` and those of `photos`. Without them, the page has no pictures.
        run: name of the run.
        error: the largest share of photos of known whales that may be called new.
    """
    result = answers.read(workdir)
    sections = arrange(result)
    shown = [answer for section in sections for answer in section.photos]
    likeliest = max((len(answer.whales) for answer in result.photos.values()), default=0)
    rows = gallery_rows(new)
    joining = dict(zip(new.name[rows].tolist(), new.whale[rows].tolist(), strict=True))
    whales = {*photos.whales, *joining.values()} - {""}
    large, nearest = {}, {}
    if heads:
        large = cut(new, heads[0], names=[answer.name for answer in shown], width=LARGE)
        examples = sorted({candidate.nearest for answer in shown for candidate in answer.whales} - {""})
        nearest = cut(photos, heads[1], names=[name for name in examples if name not in joining], width=SMALL)
        nearest |= cut(new, heads[0], names=[name for name in examples if name in joining], width=SMALL)
    html.write(
        workdir / FILE,
        run=run,
        total=len(result.photos),
        called_new=sum(answer.called_new for answer in result.photos.values()),
        unanswered=sum(answer.none is None for answer in result.photos.values()),
        error=f"{100 * error:g} %",
        sections=sections,
        pooled=len(result.encounters),
        pooled_new=sum(answer.called_new for answer in result.encounters.values()),
        curve=cmc.curve(result.reliability, likeliest, whales=len(whales)),
        likeliest=likeliest,
        heads=large,
        nearest=nearest,
        shown=len(shown),
        whales=len(photos.whales),
        joining_whales=len(whales) - len(photos.whales),
        joining=len(joining),
        pictured=heads is not None,
        table=answers.CANDIDATES,
    )


def find_heads(answer: Stage, folders: Mapping[str, str]) -> tuple[Heads, Heads] | None:
    """The heads of new photos and those of a run, as its first `rerank` compares them; None where it has none.

    Args:
        answer: the stage of the run that is asked.
        folders: name of a stage in the run -> the folder of the same of the new photos.
    """
    if (stage := compared_view(answer, folders)) is None:
        return None
    sides = finished_runs.read(folders[stage.folder.name]), stage
    views = [images.load(side.folder) for side in sides]
    first, second = (Heads(view, head_aspect(side, view)) for side, view in zip(sides, views, strict=True))
    return first, second


def arrange(result: Answers) -> list[Section]:
    """What the page shows, in order: the first MOST photos."""
    sections, room = [], MOST
    for photos in answers.arrange(result):
        named = sum(answer.none is not None for answer in photos)
        if room > 0:
            sections.append(Section(len(photos), named, result.encounters.get(photos[0].encounter), photos[:room]))
        room -= len(photos)
    return sections


def cut(photos: Photos, heads: Heads, *, names: Sequence[str], width: int) -> dict[str, Picture]:
    """Name of a photo -> its head, `width` pixels wide and of its true aspect; no entry where a view has no picture."""
    number = {name: row for row, name in enumerate(photos.name.tolist())}
    rows = [row for row in map(number.__getitem__, names) if heads.view.pictured[row]]
    height, stored = heads.view.images.shape[1:3]
    pictures = {}
    if not rows:
        return pictures
    with progress.bar(len(rows), title=f"heads for {FILE}", unit="photos") as bar:
        for start in range(0, len(rows), BATCH):
            batch = np.array(rows[start : start + BATCH])
            if stored >= width:  # it has all that a person will see, without decoding photos again
                pixels = heads.view.images[batch]
            else:
                pixels = images.enlarge(photos, heads.view, rows=batch, height=round(width * height / stored))
            for row, picture in zip(batch.tolist(), pixels, strict=True):
                size = width, max(1, round(width / heads.aspect[row]))
                pictures[str(photos.name[row])] = embed(picture, size)
            bar.update(len(batch))
    return pictures


def embed(pixels: np.ndarray, size: tuple[int, int]) -> Picture:
    """(height, width, 3) uint8 pixels as a picture of `size`, its width and height in pixels, within a page."""
    file = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS).save(file, "WEBP", quality=QUALITY)
    return Picture("data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii"), *size)
