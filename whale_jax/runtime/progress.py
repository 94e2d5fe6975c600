"""The progress bar of all long work, with its speed and the time that is left; and durations in words."""

import contextlib
import sys
import threading
from collections.abc import Iterable, Iterator

from tqdm import tqdm

HIDDEN = False  # True where another host shows the same bars
STAGE = ""  # the stage of these bars, where other processes write to the terminal too: then no bar moves
_thread = threading.local()


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Inside the block, this thread shows no bars: its work takes a moment."""
    _thread.silent = True
    try:
        yield
    finally:
        _thread.silent = False


class _Lines:
    """Standard error, on which every state of a bar is a line."""

    def write(self, text: str) -> None:
        if line := text.strip():
            sys.stderr.write(line + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def bar(total: int, *, title: str, unit: str, start: int = 0, items: Iterable | None = None) -> tqdm:
    """A bar on standard error. Where that is a file, or other processes write to it, a line every half minute.

    Args:
        total: number of items.
        title: of the bar.
        unit: of the items, such as "photos".
        start: number of items that an earlier run has done.
        items: an iterable whose items a loop over the bar yields; without it, call `update`.
    """
    moving = not STAGE and sys.stderr.isatty()
    return tqdm(
        items,
        total=total,
        initial=start,
        desc=title if STAGE in ("", title) else f"{STAGE}: {title}",
        unit=f" {unit}",
        file=sys.stderr if moving else _Lines(),
        mininterval=0.5 if moving else 30,
        dynamic_ncols=moving,
        disable=HIDDEN or getattr(_thread, "silent", False),
    )


def duration(seconds: float) -> str:
    """Seconds in words: 0.3 s, 42 s, 7.5 min, 2.3 h."""
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 99.5 * 60 else f"{seconds / 3600:.1f} h"
