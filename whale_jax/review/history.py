"""The events of one photo: what was decided, where its points were moved to, and what was taken back."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

MOVE, UNDO, MATCH = "move", "undo", "match"  # kinds of events beside the decisions of server.KINDS


class History(NamedTuple):
    """What stands of the events of a photo.

    Attributes:
        standing: events that were not taken back, the oldest first, without those of MATCH.
        number: of the last event of a person; 0 for none.
        changed: number of the last event of any kind.
        matches: number of a MOVE -> the answer about the head between its points.
    """

    standing: tuple[Mapping[str, Any], ...] = ()
    number: int = 0
    changed: int = 0
    matches: Mapping[int, Mapping[str, Any]] = {}

    @property
    def decision(self) -> Mapping[str, Any] | None:
        """The last decision; None where there is none."""
        return next((event for event in reversed(self.standing) if event["kind"] != MOVE), None)

    @property
    def move(self) -> Mapping[str, Any] | None:
        """The last event that moved the points; None where nobody moved them."""
        return next((event for event in reversed(self.standing) if event["kind"] == MOVE), None)

    @property
    def match(self) -> Mapping[str, Any] | None:
        """The answer about the points as they were moved last; None before it is there, or where nobody moved them."""
        return self.matches.get(self.move["number"]) if self.move else None

    @property
    def pending(self) -> bool:
        """Whether the points were moved and there is no answer yet."""
        return self.move is not None and self.match is None

    def after(self, event: Mapping[str, Any]) -> "History":
        """The history with one more event."""
        number = event["number"]
        if event["kind"] == MATCH:
            return self._replace(changed=number, matches={**self.matches, event["move"]: event})
        if event["kind"] == UNDO:
            undone = event.get("event")  # logs of older versions do not say which, and mean the last
            last = [other["number"] for other in self.standing[-1:]]
            standing = tuple(other for other in self.standing if other["number"] not in ([undone] if undone else last))
        else:
            standing = (*self.standing, event)
        return self._replace(standing=standing, number=number, changed=number)


def replay(events: Iterable[Mapping[str, Any]]) -> dict[str, History]:
    """Name of a photo -> its history, of all that have one. Events of no photo are passed over."""
    histories: dict[str, History] = {}
    for event in (event for event in events if event["image"]):
        histories[event["image"]] = histories.get(event["image"], History()).after(event)
    return histories
