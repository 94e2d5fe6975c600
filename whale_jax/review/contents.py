"""What the page shows of the answers of a finished `identify`, as long as nobody has decided anything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from whale_jax.data.gallery_folder import gallery_rows
from whale_jax.recognition.query import Run, Source
from whale_jax.report import answers
from whale_jax.report.answers import Answer, Points
from whale_jax.review import cmc
from whale_jax.review.pictures import Pictures

LISTED = 5  # candidates of a photo that are on the page, as in static/heads.js


class Contents:
    """Photos with their answers and pictures; the methods of `server.Session` that only tell.

    Attributes:
        photos: the new photos, and those of a gallery.
        run: that answered.
        answers: what its tables say.
        points: name of a photo -> its points; none of ready crops.
        pictures: of new photos and of the run's.
        order: rows of the new photos, as they should be reviewed.
        row: name of a photo -> its row.
        key: of the review; "" where nobody decides.
    """

    key = ""

    def __init__(self, folder: Path, source: Source, *, run: Run, error: float, pictures: Pictures):
        """Reads the tables.

        Args:
            folder: of an `identify` that has written them.
            source: the photos that it was asked about.
            run: that answered.
            error: the largest share of photos of known whales that may be called new.
            pictures: of both.
        """
        self.photos, self.run, self.pictures, self._error = source.photos, run, pictures, error
        self.answers = answers.read(folder)
        self.points = self.answers.points
        self.row = {name: i for i, name in enumerate(self.photos.name.tolist())}
        self._names = [*run.photos.name.tolist(), *self.row]  # of a gallery, too
        numbers = {name: i for i, name in enumerate(self._names)}
        self._references = numbers | {name: i for i, name in enumerate(run.photos.name.tolist())}
        self.order = [self.row[answer.name] for section in answers.arrange(self.answers) for answer in section]

    def state(self) -> dict[str, Any]:
        """All that the page shows."""
        longest = max((len(answer.whales) for answer in self.answers.photos.values()), default=0)
        curve = cmc.curve(self.answers.reliability, min(LISTED, longest), whales=len(self.run.whales))
        return {
            "review": self.key,
            "run": self.run.answer.folder.parent.name,
            "summary": self.summary(),
            "reviewer": "",
            "error": self._error,
            "curve": curve and curve._asdict(),
            "ready_crops": not self.points,
            "number": 0,
            "whales": [*self.run.whales],
            "photos": [self.photo_of(row) for row in self.order],
        }

    def summary(self) -> str:
        """What the run knows, in words."""
        whales, joining = len(self.run.photos.whales), int(gallery_rows(self.photos).sum())
        text = f"it knows {whales:,} whale{'s' * (whales != 1)}"
        if not joining:
            return text
        added = len(self.run.whales) - whales
        verb = f"added {added:,} whale{'s' * (added != 1)}" if added else "joined them"
        return f"{text}; {joining:,} photo{'s' * (joining != 1)} of a gallery {verb}"

    def photo_of(self, row: int) -> dict[str, Any]:
        """What the page shows of a photo."""
        name = str(self.photos.name[row])
        answer, points = self.answers.photos[name], self.points.get(name, Points("", None))
        together = self.answers.encounters.get(answer.encounter)
        return {
            "row": row,
            "name": name,
            "encounter": answer.encounter,
            "head": bool(self.pictures.pictured[row]),
            "version": 0,
            "size": self.photos.size[row].tolist(),
            "points": points.xy,
            "source": points.source,
            **self._shown(answer),
            "encounter_candidates": [c._asdict() for c in together.whales] if together else [],
            "pending": False,
            "decision": None,
            "number": 0,
        }

    def whale_photos(self, whale: str) -> list[dict[str, Any]]:
        """All photos of a whale in the run and in its gallery."""
        run = self.run
        numbers = [int(i) for i in np.flatnonzero(run.photos.whale == whale) if run.photos.label[i] >= 0]
        if run.references:
            enrolled = run.references.rows[np.array(run.whales)[run.references.label] == whale]
            numbers += (len(run.photos.name) + enrolled).tolist()
        return [{"reference": i, "name": self._names[i]} for i in numbers]

    def head(self, row: int) -> bytes:
        """The aligned head on a photo."""
        return self.pictures.head(row)

    def photo(self, row: int) -> bytes:
        """The whole photo."""
        return self.pictures.photo(row)

    def reference(self, number: int) -> bytes:
        """The head on a photo of the run or of its gallery."""
        return self.pictures.reference(number)

    def _shown(self, answer: Answer) -> Mapping[str, Any]:
        """An answer of the tables, as a Matcher gives it."""
        candidates = [
            {"whale": c.whale, "probability": c.probability, "reference": self._references.get(c.nearest)}
            for c in answer.whales
        ]
        facts = {"p_none": answer.p_none, "called_new": answer.called_new, "words": answer.words, "note": answer.note}
        return {"candidates": candidates, **facts}
