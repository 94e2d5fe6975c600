"""What comes of a review: names that a catalogue reads back, and the rows of decisions.csv."""

from collections.abc import Iterable, Sequence

import numpy as np

from whale_jax.data import cells
from whale_jax.data.decisions import Decision
from whale_jax.review.history import MOVE, History
from whale_jax.runtime.errors import InputError


def name_of(text: str, whales: Iterable[str]) -> str:
    """A whale's name as tables have it; InputError where a catalogue would not read it back as another whale's.

    Args:
        text: what a person wrote or chose.
        whales: names that there are.
    """
    name = cells.clean(text)
    if cells.formulas([name]):
        raise InputError(f"{cells.short(name)} begins as a formula, which a spreadsheet runs: choose another name")
    if flaw := cells.flaw(name):
        raise InputError(flaw)
    if kind := cells.damage(name):
        raise InputError(f"{cells.short(name)} looks like {kind}, which spreadsheets make of names: choose another")
    if cells.key(name) in cells.EMPTY:
        raise InputError(f"{cells.short(name)} stands for no whale in a catalogue: choose another name")
    whales = [*whales]
    alike = [whale for whale in whales if cells.key(whale) == cells.key(name)]
    if alike and name not in whales:
        raise InputError(f"{cells.short(name)} is nearly the name of {alike[0]}: choose that whale, or another name")
    return name


def decision(name: str, history: History, *, encounter: str, points: Sequence[Sequence[float]] | None) -> Decision:
    """The row of a photo in decisions.csv.

    Args:
        name: of the photo.
        history: its events, of which one stands.
        encounter: its sighting, "" where unknown.
        points: (2, 2) bonnet and blowhead of a table, in pixels; None where there is none.
    """
    event = history.decision or history.move
    points = history.move["points"] if history.move else points
    whales = [whale for whale, _ in event["shown"]["candidates"]]
    place = whales.index(event["whale"]) if event["whale"] in whales else None
    return Decision(
        name,
        event["whale"],
        "" if event["kind"] == MOVE else event["kind"],
        encounter=cells.printable(encounter),  # of an import that took names of cameras as they were
        points=np.full((2, 2), np.nan, np.float32) if points is None else np.array(points, np.float32),
        reviewer=event["reviewer"],
        time=event["time"],
        rank=None if place is None else place + 1,
        probability=None if place is None else event["shown"]["candidates"][place][1],
    )
