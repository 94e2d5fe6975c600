"""A review: the answers of a finished `identify`, and what a person decides about them. See `server.Session`."""

import datetime
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from whale_jax.data import cells, decisions
from whale_jax.recognition.live import Recogniser
from whale_jax.review import outcome
from whale_jax.review.contents import Contents
from whale_jax.review.history import MATCH, MOVE, UNDO, History, replay
from whale_jax.review.log import Log
from whale_jax.review.matching import NO_ANSWER, Matcher
from whale_jax.review.pictures import Pictures
from whale_jax.review.server import Conflict
from whale_jax.runtime.errors import InputError
from whale_jax.workflow import json_files
from whale_jax.workflow.finished_runs import Stage

LOG = "decisions.jsonl"


class Session(Contents):
    """Photos with their answers, pictures, decisions; all methods may be called from several threads."""

    def __init__(self, identified: Stage, workdir: Path, *, reviewer: str):
        """Opens a review, or goes on with it.

        Args:
            identified: a finished `identify`.
            workdir: gets the log of events, and decisions.csv after each.
            reviewer: name of the person, unless the page gives another.
        """
        config = identified.config
        folders, limits = config["inputs"], {"error": config["error"], "prior": config["prior"]}
        self.recogniser = Recogniser(folders)
        source, run = self.recogniser.source, self.recogniser.run
        pictures = Pictures(source.photos, run, folders=folders, cut=self.recogniser.cut)
        super().__init__(identified.folder, source, run=run, error=config["error"], pictures=pictures)
        self._lock, self._workdir, self._reviewer = threading.RLock(), workdir, reviewer
        self._digest = identified.result["digest"]
        self.key = json_files.hash_of([self._digest, str(workdir.resolve())])
        self._survey = re.sub(r"\W+", "_", identified.folder.resolve().parent.name)[:40]
        self.log = Log(workdir / LOG)
        self.histories = replay(self._valid(self.log.events))
        self._matcher = Matcher(self.recogniser, **limits) if self.points else None
        self._write()
        for name, history in self.histories.items():
            if history.pending and self._matcher:  # a log of whole photos may have been copied to ready crops
                self._match(name, history)

    def state(self) -> dict[str, Any]:
        """All that the page shows."""
        with self._lock:
            facts = {"reviewer": self._reviewer, "number": len(self.log.events), "whales": self.whales()}
            return {**super().state(), **facts}

    def changes(self, since: int) -> dict[str, Any]:
        """The photos that have changed since an event."""
        with self._lock:
            names = [name for name, history in self.histories.items() if history.changed > since]
            photos = [self.photo_of(self.row[name]) for name in names]
            return {"number": len(self.log.events), "whales": self.whales(), "photos": photos}

    def whales(self) -> list[str]:
        """Whales of the run and of its gallery, and after them those that were named here."""
        named = [history.decision["whale"] for history in self.histories.values() if history.decision]
        return [*self.run.whales, *sorted({*named} - {"", *self.run.whales})]

    def photo_of(self, row: int) -> dict[str, Any]:
        """What the page shows of a photo."""
        history = self.history(row)
        photo = super().photo_of(row) | {"pending": history.pending, "number": history.number}
        if match := history.match:
            photo |= {key: match[key] for key in NO_ANSWER}
        if move := history.move:
            photo |= {"head": True, "version": move["number"], "points": move["points"], "source": "moved"}
        if decision := history.decision:
            photo["decision"] = {key: decision[key] for key in ("kind", "whale", "reviewer", "time", "number")}
        return photo

    def decide(self, row: int, *, kind: str, whale: str, reviewer: str, based_on: int) -> dict[str, Any]:
        """Keeps a decision. Raises Conflict where the window did not know the last one, InputError for a bad name."""
        with self._lock:
            if whale:
                whale = whale if whale in self.whales() else outcome.name_of(whale, self.whales())
                if kind == "new" and whale in self.run.whales:
                    raise InputError(f"{whale} is a whale of the run: confirm it as that, or choose another name")
                kind = "whale" if whale in self.run.whales else "new"
            return self._append(row, kind, reviewer=reviewer, based_on=based_on, whale=whale)

    def undo(self, row: int, *, event: int, reviewer: str, based_on: int) -> dict[str, Any]:
        """Takes back the last decision or the last move of a photo. Raises Conflict where the event is neither."""
        with self._lock:
            history = self.history(row)
            if event not in [last["number"] for last in (history.decision, history.move) if last]:
                raise Conflict(self.photo_of(row))
            return self._append(row, UNDO, reviewer=reviewer, based_on=based_on, event=event)

    def move(self, row: int, *, points: Sequence[Sequence[float]], reviewer: str, based_on: int) -> dict[str, Any]:
        """Moves bonnet and blowhead, in pixels of the photo. Raises Conflict, and InputError where they cannot be."""
        with self._lock:
            height, width = self.photos.size[row]
            pairs = np.clip(np.array(points, np.float64), -0.5, [width - 0.5, height - 0.5]).round(2)
            if self._matcher is None:
                raise InputError("these photos are ready crops: they have no points")
            if np.linalg.norm(pairs[0] - pairs[1]) < 2:
                raise InputError("bonnet and blowhead are at one place: move one of them")
            since = len(self.log.events)
            self._append(row, MOVE, reviewer=reviewer, based_on=based_on, points=pairs.tolist())
            self._match(str(self.photos.name[row]), self.history(row))
            return self.changes(since)

    def suggest(self) -> str:
        """A name for a new individual that is free, with that of the survey: other surveys have new whales too."""
        with self._lock:
            names = {*map(cells.key, self.whales())}
            numbered = (f"new_{self._survey}_{i}" for i in range(1, len(names) + 2))
            return next(name for name in numbered if cells.key(name) not in names)

    def whale_photos(self, whale: str) -> list[dict[str, Any]]:
        """All photos of a whale: those of the run and of its gallery, and those that were decided here."""
        with self._lock:
            decided = [
                {"row": self.row[name], "name": name}
                for name, history in self.histories.items()
                if history.decision and history.decision["whale"] == whale
            ]
        return super().whale_photos(whale) + decided

    def head(self, row: int) -> bytes:
        """The aligned head on a photo."""
        move = self.history(row).move
        return self.pictures.head(row, tuple(np.ravel(move["points"]).tolist()) if move else ())

    def photo(self, row: int) -> bytes:
        """The whole photo. Whoever looks at it may move its points, so that matching gets ready."""
        name = self.photos.name[row]
        if self._matcher and name in self.points:
            self._matcher.prepare(row, np.array(self.points[name].xy))
        return super().photo(row)

    def history(self, row: int) -> History:
        """The events of a photo; IndexError for no photo of this review."""
        name = self.photos.name[row]
        if name not in self.answers.photos:
            raise IndexError(row)
        return self.histories.get(name, History())

    def close(self) -> None:
        """Closes the log, and waits for the head that is being matched, which is matched again at the next start."""
        with self._lock:
            self.log.close()
        if self._matcher:
            self._matcher.close()

    def _append(self, row: int, kind: str, *, reviewer: str, based_on: int, **facts: Any) -> dict[str, Any]:
        """Writes an event of a person, and what was shown when it came."""
        photo = self.photo_of(row)
        if based_on != photo["number"]:
            raise Conflict(photo)
        since = len(self.log.events)
        shown = {"candidates": [[c["whale"], c["probability"]] for c in photo["candidates"]], "p_none": photo["p_none"]}
        time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        event = {"image": photo["name"], "kind": kind, "time": time, "reviewer": reviewer or self._reviewer}
        self._record({**event, "whale": "", **facts, "based_on": based_on, "shown": shown})
        try:
            self._write()
        except OSError as error:  # the decision is kept, and the table is written after the next, or at the next start
            logging.warning("%s is behind: %s", self._workdir / decisions.FILE, error)
        return self.changes(since)

    def _record(self, event: dict[str, Any]) -> None:
        event = self.log.append(event)
        self.histories[event["image"]] = self.histories.get(event["image"], History()).after(event)

    def _valid(self, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The events that hold here, where the log is that of a review of other answers: photos may be gone or new.

        Heads that were matched against other references are matched again.
        """
        if strange := {event["image"] for event in events} - {"", *self.answers.photos}:
            text = "%s: decisions on %d photos that are not asked about here are passed over: %s"
            logging.warning(text, self._workdir / LOG, len(strange), cells.examples(strange))
        events = [event for event in events if event["image"] in self.answers.photos]
        return [event for event in events if event["kind"] != MATCH or event.get("identified") == self._digest]

    def _match(self, name: str, history: History) -> None:
        """Has moved points matched in the background."""

        def keep(answer: dict[str, Any]) -> None:
            with self._lock:
                if not self.log.closed:  # or it is done again at the next start
                    facts = {"image": name, "kind": MATCH, "identified": self._digest}
                    self._record({**facts, "move": history.move["number"], **answer})

        self._matcher.ask(self.row[name], np.array(history.move["points"]), then=keep)

    def _write(self) -> None:
        """Writes decisions.csv."""
        table = {name: points for name, points in self.points.items() if points.source == "table"}
        rows = [
            outcome.decision(
                name,
                history,
                encounter=self.answers.photos[name].encounter,
                points=table[name].xy if name in table else None,
            )
            for name, history in self.histories.items()
            if history.standing
        ]
        decisions.write(self._workdir / decisions.FILE, rows)
