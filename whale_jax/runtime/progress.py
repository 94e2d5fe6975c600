"""The progress bar that all long work shows: how fast it is and how long it will take; and seconds in words."""

import sys

from tqdm import tqdm

HIDDEN = False  # where another host shows the same bars
STAGE = ""  # whose bars these are, where other processes write to the terminal too: then none may move


class _Lines:
    """Standard error, where every state of a bar is a line."""

    def write(self, text: str) -> None:
        if line := text.strip():
            sys.stderr.write(line + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def bar(total: int, *, what: str, unit: str, start: int = 0) -> tqdm:
    """A bar on standard error; where that is a file, or others write there too, a line every half minute.

    Args:
        total: items in all.
        what: title.
        unit: what is counted.
        start: items done by an earlier run.
    """
    moving = not STAGE and sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=start,
        desc=what if STAGE in ("", what) else f"{STAGE}: {what}",
        unit=f" {unit}",
        file=sys.stderr if moving else _Lines(),
        mininterval=0.5 if moving else 30,
        dynamic_ncols=moving,
        disable=HIDDEN,
    )


def duration(seconds: float) -> str:
    """Seconds as a person says them: 0.3 s, 42 s, 7.5 min, 2.3 h."""
    if seconds < 99.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 99.5 * 60 else f"{seconds / 3600:.1f} h"
