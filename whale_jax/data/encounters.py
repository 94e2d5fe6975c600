"""Encounters of photos whose table names none: by the time in EXIF, or by the day that a table gives."""

import datetime
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from whale_jax.data.photo_files import Note

# How a date begins; the time of day may follow.
DAY = re.compile(r"\d{4}:\d\d:\d\d|(?:19|20)\d{6}|\d{8}(?!\d)|\d+([-/._ ])[^\W_]+\1\d+")


def name(
    whales: Sequence[str], dates: Sequence[str], *, notes: Sequence[Note], gap_minutes: float
) -> tuple[list[str], list[str]]:
    """The encounters by the days that a table gives, else by the times that cameras wrote; and lines that say so.

    Args:
        whales: name of each photo's whale, "" where unknown.
        dates: of each photo, "" where unknown.
        notes: on each photo's file.
        gap_minutes: see `by_time`.
    """
    lines, unreadable = [], [date for date in dates if date and not DAY.match(date)]
    if unreadable:
        lines.append(f"{len(unreadable):,} dates, such as {unreadable[0]!r}, name no day: write them as 2019-04-02")
    if any(days := by_day(whales, dates)):
        return days, ["encounters are made of the table's dates: photos of one whale on one day are one", *lines]
    times = [note.time for note in notes]
    if not any(times):
        return [""] * len(whales), lines
    gap = f"{gap_minutes:g} minutes apart at most"
    line = f"encounters are made of the times in EXIF, without their time zones: of one whale, or camera, {gap}"
    return by_time(whales, times, cameras=[note.camera for note in notes], gap_minutes=gap_minutes), [line, *lines]


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
    return [f"{day[0]} {whale}" if whale and (day := DAY.match(date)) else "" for whale, date in pairs]
