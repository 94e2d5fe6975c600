"""Encounters of photos whose table names none: by the time in EXIF, or by the day that a table gives."""

import datetime
from collections import defaultdict
from collections.abc import Mapping, Sequence


def by_time(
    whales: Sequence[str], times: Sequence[datetime.datetime | None], *, cameras: Sequence[str], gap_minutes: float
) -> list[str]:
    """A name for the encounter of each photo, "" where its time is unknown.

    The photos of one whale, or of one camera where the whale is unknown, are one encounter as long as no two that
    follow each other are further apart in time than the gap. Time zones are not known and are ignored.

    Args:
        whales: name of each photo's whale, "" where unknown.
        times: when each was taken.
        cameras: name of the camera of each.
        gap_minutes: the longest time between two photos of one encounter.
    """
    series: Mapping[tuple, list[int]] = defaultdict(list)
    for i, time in enumerate(times):
        if time:
            series[(whales[i], "" if whales[i] else cameras[i])].append(i)
    names, gap = [""] * len(whales), datetime.timedelta(minutes=gap_minutes)
    for (whale, camera), members in series.items():
        members.sort(key=lambda i: times[i])
        start, last = times[members[0]], times[members[0]]
        for i in members:
            start = times[i] if times[i] - last > gap else start
            last = times[i]
            names[i] = " ".join(filter(None, (f"{start:%Y-%m-%d %H:%M:%S}", whale or camera)))
    return names


def by_day(whales: Sequence[str], dates: Sequence[str]) -> list[str]:
    """A name for the encounter of each photo whose whale and day are known, "" for the others."""
    pairs = zip(whales, dates, strict=True)
    return [f"{date[:10]} {whale}" if whale and len(date) >= 10 else "" for whale, date in pairs]
