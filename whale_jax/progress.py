"""The progress bar that all long work shows: how fast it is and how long it will take."""

import sys

from tqdm import tqdm


def bar(total: int, *, what: str, unit: str, start: int = 0) -> tqdm:
    """A bar on standard error; where that is a file, a line a half minute instead of a moving one.

    Args:
        total: items in all.
        what: title.
        unit: what is counted.
        start: items done by an earlier run.
    """
    moving = sys.stderr.isatty()
    return tqdm(
        total=total, initial=start, desc=what, unit=f" {unit}", mininterval=0.5 if moving else 30, dynamic_ncols=moving
    )
