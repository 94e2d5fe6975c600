"""What a person did, event by event, in a file that only grows: a line each, on disk before anything else happens.

A process that is killed leaves at most a last line that is cut off, of an event that nobody was told of. It is dropped.
"""

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whale_jax.runtime import errors


class Log:
    """The events of a file of JSON lines, the oldest first. They have the numbers of their lines, from 1."""

    def __init__(self, path: Path):
        """Opens a file, which is made where there is none; a damaged line raises InputError.

        One process at a time may have it open.
        """
        self._file = path.open("a+b", buffering=0)  # what a full disk refuses is not written later
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1  # what follows was not written to its end
        if _is_event(content[whole:]):  # or an editor has dropped the end of the last line
            whole = len(content) + self._file.write(b"\n")
        self._file.truncate(whole)
        self.events: list[dict[str, Any]] = []
        for i, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                event = json.loads(line) if line.strip() else {"image": ""}  # a line that a person has emptied
            except ValueError as error:
                advice = "empty the line, and leave its end, since events are called by the numbers of lines"
                raise errors.InputError(f"{path}, line {i}: not an event ({error}): {advice}") from None
            self.events.append({**event, "number": i})

    def append(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Writes an event and returns it with its number, when it is on the disk; else raises OSError, and has not."""
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        end = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(end)
            raise
        self.events.append({**event, "number": len(self.events) + 1})
        return self.events[-1]

    @property
    def closed(self) -> bool:
        """Whether nothing more is written."""
        return self._file.closed

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _is_event(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
