"""A session of drawn heads for tests of the page: decisions stay in memory, and matching ends when a test says so."""

import io
import threading

import numpy as np
from PIL import Image, ImageDraw

from whale_jax.review.server import Conflict
from whale_jax.runtime.errors import InputError

SCRIPT = "<script>alert(1)</script>"
ODD = "a \"quote\" & 'b' <i> %41 #1 ?.jpg"
WHALES = [SCRIPT, *(f"whale_{i}" for i in range(1, 30))]
SIZE = (600, 900)  # height and width of a photo


def jpeg(text, *, size=(320, 160)):
    """A head by its outline, with some text on it."""
    picture = Image.new("RGB", size, (60, 90, 110))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((size[0] // 8, size[1] // 4, size[0] * 7 // 8, size[1] * 3 // 4), fill=(20, 24, 28))
    draw.text((size[0] // 3, size[1] // 2), text, fill=(255, 255, 255))
    file = io.BytesIO()
    picture.save(file, "JPEG")
    return file.getvalue()


class DrawnSession:
    """Photos 0, 1, ... of which two in turn are an encounter; photo 1 has an odd name, and photo 3 no answer.

    Attributes:
        key: of the review.
        events: (number, row, kind, value) of all that was decided and moved and was not taken back.
    """

    def __init__(self, count=12, *, ready_crops=False, suggestion="new_1"):
        self.lock, self.count, self.ready_crops, self.suggestion = threading.RLock(), count, ready_crops, suggestion
        self.number, self.events, self.numbers, self.versions, self.pending = 0, [], {}, {}, set()
        self.fresh = set()  # rows whose matching has ended
        self.key = "june"
        self.failure = None  # raised by the next decision
        self.reviewer = "Ann"

    def photo_of(self, row):
        events = [event for event in self.events if event[1] == row]
        moved = next((value for _, _, kind, value in reversed(events) if kind == "move"), None)
        decided = next((value for _, _, kind, value in reversed(events) if kind == "decide"), None)
        candidates = [
            {
                "whale": WHALES[(row + i) % len(WHALES)],
                "probability": 0.5 / 2**i,
                "reference": None if i == 3 else 10 + i,
            }
            for i in range(6)
        ]
        return {
            "row": row,
            "name": ODD if row == 1 else f"photo_{row}.jpg",
            "encounter": f"<b>trip {row // 2}" if row % 6 < 2 else "",
            "note": "no head was found" if row == 3 else "",
            "head": row != 3,
            "version": self.versions.get(row, 0),
            "size": list(SIZE),
            "points": moved or (None if row == 3 or self.ready_crops else [[600.0, 200.0], [300.0, 400.0]]),
            "source": "moved" if moved else "" if row == 3 else "predicted",
            "called_new": row % 5 == 2,
            "p_none": None if row == 3 else 0.2,
            "words": "" if row == 3 else "On 100 photos the run was about as sure, and right on 83 of them.",
            "candidates": [] if row == 3 else candidates,
            "encounter_candidates": candidates[:2] if row % 6 < 2 else [],
            "pending": row in self.pending,
            "decision": decided,
            "number": self.numbers.get(row, 0),
        }

    def whales(self):
        names = [value["whale"] for _, _, kind, value in self.events if kind == "decide" and value["kind"] == "new"]
        return list(dict.fromkeys([*WHALES, *names]))

    def state(self):
        with self.lock:
            photos = [self.photo_of(row) for row in range(self.count)]
            shares = (1 - 0.4 / np.sqrt(np.arange(1, 21))).tolist()
            marks = {"1": "60 %", "5": "82 %", "20": "91 %"}
            curve = {"shares": shares, "marks": marks, "sentences": ["Of 1,234.", "Few."]}
            constants = {"run": "runs/<i>crops", "summary": "it knows 30 whales", "error": 0.05}
            return {
                **constants,
                "review": self.key,
                "reviewer": self.reviewer,
                "curve": curve,
                "ready_crops": self.ready_crops,
                "number": self.number,
                "whales": self.whales(),
                "photos": photos,
            }

    def changes(self, since):
        with self.lock:
            rows = {row for row, number in self.numbers.items() if number > since} | self.fresh
            photos = [self.photo_of(row) for row in sorted(rows)]
            return {"number": self.number, "whales": self.whales(), "photos": photos}

    def act(self, row, based_on, *, kind, value):
        """Adds an event, or with the kind "undo" takes back the one of that number, which is an event too."""
        with self.lock:
            if not 0 <= row < self.count:
                raise IndexError(row)
            if self.failure:
                raise self.failure
            if based_on != self.numbers.get(row, 0):
                raise Conflict(self.photo_of(row))
            undone = [event for event in self.events if kind == "undo" and event[:2] == (value, row)]
            if kind == "undo" and not undone:
                raise Conflict(self.photo_of(row))
            self.number += 1
            self.numbers[row] = self.number
            if kind == "undo":
                self.events.remove(undone[0])
            else:
                self.events.append((self.number, row, kind, value))
            if "move" in (kind, *(event[2] for event in undone)):
                self.versions[row] = self.number
            return {"number": self.number, "whales": self.whales(), "photos": [self.photo_of(row)]}

    def decide(self, row, *, kind, whale, reviewer, based_on):
        if kind == "new" and whale in WHALES:
            raise InputError(f"{whale} is a whale of the run")
        value = {
            "kind": kind,
            "whale": whale,
            "reviewer": reviewer,
            "time": "2026-06-01T12:30:00Z",
            "number": self.number + 1,
        }
        return self.act(row, based_on, kind="decide", value=value)

    def undo(self, row, *, event, reviewer, based_on):
        return self.act(row, based_on, kind="undo", value=event)

    def move(self, row, *, points, reviewer, based_on):
        with self.lock:
            self.pending.add(row)
            return self.act(row, based_on, kind="move", value=points)

    def match(self):
        """Ends the matching of all photos that wait for it."""
        with self.lock:
            self.fresh |= self.pending
            self.pending.clear()

    def suggest(self):
        return self.suggestion

    def whale_photos(self, whale):
        photos = [{"reference": 100 + i, "name": f"{whale} {i}.jpg"} for i in range(7)]
        with self.lock:
            rows = [row for row in range(self.count) if (self.photo_of(row)["decision"] or {}).get("whale") == whale]
            return photos + [{"row": row, "name": self.photo_of(row)["name"]} for row in rows]

    def head(self, row):
        if not 0 <= row < self.count or row == 3:
            raise KeyError(row)
        return jpeg(f"head {row} v{self.versions.get(row, 0)}")

    def photo(self, row):
        if not 0 <= row < self.count:
            raise IndexError(row)
        return jpeg(f"photo {row}", size=SIZE[::-1])

    def reference(self, row):
        if not 0 <= row < 1000:
            raise IndexError(row)
        return jpeg(f"reference {row}")
