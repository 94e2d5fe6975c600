"""What a finished `identify` says of photos and of encounters: its tables, without a picture.

candidates.csv is always there. Beside it may lie encounters.csv, the answers of the photos of an encounter together;
validation.csv, how far answers can be trusted; and points.csv, where the points of the heads come from.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from whale_jax.data import decisions, tables, validation
from whale_jax.evaluation import reliability
from whale_jax.evaluation.reliability import Reliability
from whale_jax.runtime import errors, storage

CANDIDATES, ENCOUNTERS, POINTS = "candidates.csv", "encounters.csv", "points.csv"
COLUMNS = ("Image", "encounter", "whaleID", "probability", "nearest", "p_none", "is_none", "note")
POINTS_COLUMNS = ("Image", *decisions.POINTS, "source")
SOURCES = ("table", "predicted", "moved")  # of points; the last are a person's


class Points(NamedTuple):
    """The points of a photo: where they come from, one of SOURCES, and (2, 2) bonnet and blowhead, in pixels."""

    source: str
    xy: Sequence[Sequence[float]]


class Candidate(NamedTuple):
    """A whale of the run that a photo may show.

    Attributes:
        whale: its name.
        probability: that the photo shows it.
        nearest: name of the run's or the gallery's photo of it that is most alike; "" where none was compared.
    """

    whale: str
    probability: float
    nearest: str = ""


class Answer(NamedTuple):
    """Who is on a photo, or on the photos of an encounter.

    Attributes:
        name: path of the photo, of an encounter that of its first.
        encounter: the sighting, "" where unknown.
        called_new: whether the whale is called new.
        whales: candidates that the run knows, the likeliest first; none where there is no answer.
        p_none: probability of all others together; None where there is no answer.
        note: why there is none.
        words: how far it can be trusted; "" where validation does not say.
    """

    name: str
    encounter: str
    called_new: bool
    whales: Sequence[Candidate]
    p_none: float | None
    note: str
    words: str = ""


class Answers(NamedTuple):
    """All that a finished `identify` says.

    Attributes:
        photos: name of a photo -> its answer, in the order of the table.
        encounters: name of an encounter, two photos of which have an answer or more -> their answer together.
        reliability: of the run on its validation photos, if it was written.
        points: name of a photo -> its points, of those that have some.
    """

    photos: Mapping[str, Answer]
    encounters: Mapping[str, Answer]
    reliability: Reliability | None
    points: Mapping[str, Points]


def read(folder: Path) -> Answers:
    """The answers in the folder of a finished `identify`. A table that is damaged raises InputError."""
    validated, pooled = folder / validation.FILE, folder / ENCOUNTERS
    trust = validation.read(validated) if validated.exists() else None
    listed = read_table(folder / CANDIDATES)
    photos = {answer.name: answer._replace(words=words(answer, trust)) for answer in listed}
    sizes = Counter(answer.encounter for answer in photos.values() if answer.whales)
    encounters = read_table(pooled) if pooled.exists() else ()
    lines = Counter(answer.encounter for answer in encounters)  # several, where a photo of it shows two whales
    together = {
        answer.encounter: answer
        for answer in encounters
        if answer.encounter and sizes[answer.encounter] > 1 and lines[answer.encounter] == 1
    }
    return Answers(photos, together, trust, read_points(folder / POINTS))


def read_table(path: Path) -> list[Answer]:
    """The answers in candidates.csv or encounters.csv, in its order. Lines of one Image are one answer."""
    with storage.reading(path):
        lines: dict[str, list[dict[str, str]]] = {}
        for line in tables.read(path, COLUMNS):
            lines.setdefault(line["Image"], []).append(line)
        return [answer_of(block) for block in lines.values()]


def answer_of(lines: Sequence[Mapping[str, str]]) -> Answer:
    """The answer in the lines of a photo, each by the names of COLUMNS, the likeliest whale first."""
    best = lines[0]
    name, encounter, called_new = best["Image"], best["encounter"], best["is_none"] == "1"
    if not best["whaleID"]:
        return Answer(name, encounter, called_new, (), None, best["note"])
    whales = [Candidate(line["whaleID"], float(line["probability"]), line["nearest"]) for line in lines]
    return Answer(name, encounter, called_new, whales, float(best["p_none"]), best["note"])


def read_points(path: Path) -> dict[str, Points]:
    """Name of a photo -> its points, of those that have some; nothing where there is no such table.

    A word that is none of SOURCES raises InputError.
    """
    if not path.exists():
        return {}
    points = {}
    for row, line in enumerate(tables.read(path, POINTS_COLUMNS), start=2):
        if (source := line["source"]) and source not in SOURCES:
            raise errors.InputError(f"{path}, row {row}: source {source!r}: write {', '.join(SOURCES)} or nothing")
        if source:
            numbers = [float(line[column]) for column in decisions.POINTS]
            points[line["Image"]] = Points(source, [numbers[:2], numbers[2:]])
    return points


def words(answer: Answer, trust: Reliability | None) -> str:
    """How far an answer of one photo can be trusted, see `reliability.words`; "" where nobody can say."""
    if trust is None or answer.p_none is None:
        return ""
    # Validation is of whales that the run knows, so that its probabilities are those if the whale is one of them.
    among = 1 - answer.p_none
    return reliability.words(trust, answer.whales[0].probability / among if among else 0.0)


def arrange(answers: Answers) -> list[list[Answer]]:
    """The photos in sections, an encounter each or a photo without one, in the order in which a person should look.

    First come those called new, then from the least sure to the surest, and last those without an answer. A section of
    several photos stands where the answer of its photos together puts it; without that, where its first photo stands.
    """
    sections: dict[tuple[str, str], list[Answer]] = {}
    for answer in sorted(answers.photos.values(), key=_doubt):
        sections.setdefault((answer.encounter, "" if answer.encounter else answer.name), []).append(answer)
    return sorted(
        sections.values(), key=lambda section: _doubt(answers.encounters.get(section[0].encounter, section[0]))
    )


def _doubt(answer: Answer) -> tuple[bool, bool, float, float]:
    """What puts answers in order."""
    if answer.p_none is None:
        return True, True, 0.0, 0.0
    return False, not answer.called_new, -answer.p_none, answer.whales[0].probability
