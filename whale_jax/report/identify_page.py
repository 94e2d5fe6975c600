"""report.html, one file to mail: each new photo's head beside the whales that it may be, with their most similar heads.

It shows what candidates.csv says, so that the two cannot differ; the pictures are part of the file.
"""

import base64
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from whale_jax.data import groups, images
from whale_jax.data.right_whale import Photos
from whale_jax.report import html
from whale_jax.report.heads import head_aspect
from whale_jax.runtime import progress, storage
from whale_jax.workflow import finished_runs
from whale_jax.workflow.finished_runs import Stage

FILE, TABLE = "report.html", "candidates.csv"
LARGE, SMALL = 320, 200  # width of a new photo's head and of a candidate's, in pixels
MOST = 500  # photos on a page, which has about 20 MB then: some mail servers refuse more
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
    """A picture within the page: the data: address of its JPEG, and its size in pixels."""

    url: str
    width: int
    height: int


class Candidate(NamedTuple):
    """A whale that a photo may show.

    Attributes:
        whale: its name; None stands for all whales that the run does not know.
        probability: that the photo shows it.
        nearest: name of the run's photo of it that is most alike; "" where none was compared.
        picture: the head on that photo, or None.
    """

    whale: str | None
    probability: float
    nearest: str = ""
    picture: Picture | None = None


class Card(NamedTuple):
    """One new photo, as the page shows it.

    Attributes:
        name: path of the photo.
        encounter: its sighting, "" where unknown.
        picture: its head, or None.
        called_new: whether its whale is called new.
        candidates: the likeliest first; none where there is no answer.
        note: why there is none.
    """

    name: str
    encounter: str
    picture: Picture | None
    called_new: bool
    candidates: Sequence[Candidate]
    note: str


class Section(NamedTuple):
    """The photos of an encounter, or a photo without one: their number, and the cards of those shown."""

    total: int
    cards: Sequence[Card]


def write(
    workdir: Path, new: Photos, *, photos: Photos, heads: tuple[Heads, Heads] | None, run: str, error: float
) -> None:
    """Writes workdir/report.html from workdir/candidates.csv.

    Args:
        workdir: the folder of a finished answer.
        new: n photos that were asked for.
        photos: N photos of the run that answered.
        heads: those of `new` and those of `photos`. Without them, the page has no pictures.
        run: name of the run.
        error: the largest share of photos of known whales that may be called new.
    """
    lines = read(workdir / TABLE)
    group = groups.by_encounter(new)
    order = arrange([lines[name] for name in new.name.tolist()], group)
    chosen = order[:MOST]
    number = {name: i for i, name in enumerate(photos.name.tolist())}
    answers = [lines[new.name[row]] for row in chosen]
    examples = {number[line["nearest"]] for answer in answers for line in answer if line["nearest"]}
    large, small = {}, {}
    if heads:
        large = cut(new, heads[0], rows=chosen, width=LARGE)
        small = cut(photos, heads[1], rows=sorted(examples), width=SMALL)
    nearest = {photos.name[row]: picture for row, picture in small.items()}
    sections: dict[int, list[Card]] = {}
    for row, answer in zip(chosen, answers, strict=True):
        sections.setdefault(group[row], []).append(card(answer, large.get(row), nearest=nearest))
    totals = np.bincount(group)
    html.write(
        workdir / FILE,
        run=run,
        total=len(order),
        called_new=sum(answer[0]["is_none"] == "1" for answer in lines.values()),
        unanswered=sum(not answer[0]["whaleID"] for answer in lines.values()),
        error=f"{100 * error:g} %",
        sections=[Section(int(totals[i]), cards) for i, cards in sections.items()],
        shown=len(chosen),
        whales=len(photos.whales),
        pictured=heads is not None,
        table=TABLE,
    )


def find_heads(answer: Stage, folders: Mapping[str, str]) -> tuple[Heads, Heads] | None:
    """The heads of new photos and those of a run, as its first `rerank` compares them; None where it has none.

    Args:
        answer: the stage of the run that is asked.
        folders: name of a stage in the run -> the folder of the same of the new photos.
    """
    run = answer.folder.parent
    for stage in finished_runs.ancestors([answer], run=run):
        if stage.config["program"] == "rerank" and (folder := folders.get(Path(stage.config["inputs"]["view"]).name)):
            sides = finished_runs.read(folder), finished_runs.read_within(run, stage.config["inputs"]["view"])
            views = [images.load(side.folder) for side in sides]
            first, second = (Heads(shown, head_aspect(side, shown)) for side, shown in zip(sides, views, strict=True))
            return first, second
    return None


def read(path: Path) -> dict[str, list[dict[str, str]]]:
    """Name of a photo -> its lines in candidates.csv, each by the names of the columns."""
    lines: dict[str, list[dict[str, str]]] = {}
    with storage.reading(path), path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            lines.setdefault(line["Image"], []).append(line)
    return lines


def arrange(answers: Sequence[Sequence[Mapping[str, str]]], group: np.ndarray) -> list[int]:
    """Rows of photos: those called new first, then from the least sure to the surest, and last those without an answer.

    Photos of a group stand together, where the first of them stands.

    Args:
        answers: the lines of each of n photos.
        group: (n,) int, equal for photos of one encounter.
    """

    def doubt(row: int) -> tuple[bool, bool, float, float]:
        best = answers[row][0]
        if not best["whaleID"]:
            return True, True, 0.0, 0.0
        return False, best["is_none"] != "1", -float(best["p_none"]), float(best["probability"])

    order = sorted(range(len(answers)), key=doubt)
    place: dict[int, int] = {}
    for row in order:
        place.setdefault(group[row], len(place))
    return sorted(order, key=lambda row: place[group[row]])


def cut(photos: Photos, heads: Heads, *, rows: Iterable[int], width: int) -> dict[int, Picture]:
    """Row of a photo -> its head, `width` pixels wide and of its true aspect; no entry where a view has no picture."""
    rows = [row for row in rows if heads.view.pictured[row]]
    height, stored = heads.view.images.shape[1:3]
    pictures = {}
    with progress.bar(len(rows), title=f"heads for {FILE}", unit="photos") as bar:
        for start in range(0, len(rows), BATCH):
            batch = np.array(rows[start : start + BATCH])
            if stored >= width:  # it has all that a person will see, without decoding photos again
                pixels = heads.view.images[batch]
            else:
                pixels = images.enlarge(photos, heads.view, rows=batch, height=round(width * height / stored))
            for row, picture in zip(batch.tolist(), pixels, strict=True):
                pictures[row] = embed(picture, (width, max(1, round(width / heads.aspect[row]))))
            bar.update(len(batch))
    return pictures


def embed(pixels: np.ndarray, size: tuple[int, int]) -> Picture:
    """(height, width, 3) uint8 pixels as a picture of `size`, its width and height in pixels, within a page."""
    file = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS).save(file, "JPEG", quality=html.QUALITY)
    return Picture("data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii"), *size)


def card(answer: Sequence[Mapping[str, str]], picture: Picture | None, *, nearest: Mapping[str, Picture]) -> Card:
    """What the page shows of a photo.

    Args:
        answer: its lines in candidates.csv.
        picture: its head.
        nearest: name of a photo of the run -> its head.
    """
    best = answer[0]
    candidates = [
        Candidate(line["whaleID"], float(line["probability"]), line["nearest"], nearest.get(line["nearest"]))
        for line in answer
        if line["whaleID"]
    ]
    if candidates:
        candidates = [*candidates, Candidate(None, float(best["p_none"]))]
    candidates = sorted(candidates, key=lambda candidate: -candidate.probability)
    return Card(best["Image"], best["encounter"], picture, best["is_none"] == "1", candidates, best["note"])
