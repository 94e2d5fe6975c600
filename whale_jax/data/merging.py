"""Rows of several files -> what is known of each whale on each photo. The files must agree to a pixel."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from whale_jax.data import cells
from whale_jax.data.cells import MOST, short
from whale_jax.data.names import Names, parse, path_of
from whale_jax.data.rows import Fact, Reading, Row, Settings


class Merged(NamedTuple):
    """One whale on one photo: the photo's path, what is known of it, and the place of each fact."""

    file: str
    facts: dict[str, Fact]
    places: dict[str, str]


class Merge(NamedTuple):
    """The whales on all photos.

    Attributes:
        whales: in order of the photos; a photo that no file knows has one entry without facts.
        unused: number of rows about photos that are not there.
        words: word in place of a whale's name -> how often it stands there.
        shared: photos that show several whales, and nothing tells which is where.
    """

    whales: list[Merged]
    unused: int
    words: Counter
    shared: list[str]


def merge(reading: Reading, names: Names, *, settings: Settings, root: object, problems: list[str]) -> Merge:
    """What all files say of the photos that are there. Mistakes are added to `problems`."""
    by_photo: dict[str, list[Merged]] = {name: [] for name in names.photos.values()}
    words: Counter = Counter()
    no_whale = {"", *map(cells.key, settings.no_whale)}
    unused, shared = 0, []
    for number, source in enumerate(reading.sources):
        present: dict[str, list[Row]] = {}
        absent = []
        for row in source.rows:
            if flaw := cells.flaw(row.path):
                problems.append(f"{row.place}: {flaw}")
                continue
            name, reason = names.find(row.path)
            is_absent = reason == "is not there"
            if not name and (source.only_present or not is_absent):
                problems.append(_absence(row, reason, names, root, problems))
            if name:
                present.setdefault(name, []).append(row)
            elif is_absent:
                absent.append(row)
        mistaken = _drop_mistaken(present, names)
        for row in mistaken * source.only_present:
            problems.append(f"{row.place}: no photo {short(row.path)} in {root}: add it, or remove the row")
        absent += mistaken
        if absent and not any(present.values()) and not source.only_present:
            file = f"neither {short(cells.basename(absent[0].path))} nor any other photo of this file"
            problems.append(f"{absent[0].place}: {file} is in {root}: remove the file")
        unused += len(absent)
        silent = reading.labels_first and number > 0
        for name, rows in present.items():
            rows.sort(key=lambda row: parse(cells.clean(row.path))[1])  # "a.jpg#2" is the second
            entries = [
                _entry(name, row, no_whale=no_whale, silent=silent, words=words, problems=problems) for row in rows
            ]
            shared += [name] if _share(entries, problems) else []
            by_photo[name] = _join(by_photo[name], entries, problems)
    merged = [entry for name, entries in by_photo.items() for entry in entries or [Merged(name, {}, {})]]
    return Merge(merged, unused, words, shared)


def _drop_mistaken(present: dict[str, list[Row]], names: Names) -> list[Row]:
    """Takes rows of other photos from those of each photo in `present`, and returns them.

    Where rows came to a photo by several paths, those that name other folders than the photo's are of photos that are
    not there: cameras begin to count again. By a single path, the folder may have another name now.
    """
    mistaken = []
    for name, rows in present.items():
        if len({path_of(row.path).casefold() for row in rows}) > 1:
            shared = [names.folders_shared(row.path, name) for row in rows]
            best = None if None in shared else max(shared)
            nearest = [row for row, count in zip(rows, shared, strict=True) if count == best]
            folders = {path_of(row.path).casefold().rpartition("/")[0] for row in nearest}
            present[name] = nearest if best is None or len(folders) == 1 else []
            mistaken += [row for row in rows if row not in present[name]]
    return mistaken


def _absence(row: Row, reason: str, names: Names, root: object, problems: Sequence[str]) -> str:
    if reason != "is not there":
        return f"{row.place}: {short(row.path)} {reason}"
    close = names.hint(row.path) if len(problems) < MOST else ""  # it is slow
    path = f" ({short(row.path)})" if cells.basename(row.path) != row.path else ""
    return f"{row.place}{path}: no photo {short(cells.basename(row.path))} in {root}{close}: add it, or remove the row"


def _entry(name: str, row: Row, *, no_whale: set[str], silent: bool, words: Counter, problems: list[str]) -> Merged:
    """What a row says of a photo. A word for no whale is counted, a damaged name is a problem."""
    facts = {kind: fact for kind, fact in row.facts.items() if not (kind == "whale" and silent)}
    if "whale" in facts:
        whale = str(facts["whale"])
        if kind := cells.damage(whale):
            reason = f"{short(whale)} is no name, it looks like {kind}, which spreadsheets make of names"
            problems.append(f"{row.place}: {reason}")
        elif cells.key(whale) in no_whale:
            words[facts.pop("whale")] += 1
    for kind in {"encounter", "date"} & facts.keys():
        if cells.key(str(facts[kind])) in cells.EMPTY:
            del facts[kind]
    for text in (facts.get("whale", ""), facts.get("encounter", "")):
        if reason := cells.flaw(str(text)):
            problems.append(f"{row.place}: {reason}")
    return Merged(name, facts, dict.fromkeys(facts, row.place) | {"row": row.place})


def _share(entries: Sequence[Merged], problems: list[str]) -> bool:
    """Whether rows of a file name several whales on a photo, and no marks tell which is where.

    Two rows of one whale, or of none, are a problem.
    """
    shared = False
    for i, entry in enumerate(entries):
        for earlier in entries[:i]:
            whale, marked = entry.facts.get("whale", ""), _are_distinct(entry, earlier)
            if whale == earlier.facts.get("whale", "") and (whale or not marked):
                place = f"{short(entry.file)} is in {earlier.places['row']} already"
                problems.append(f"{entry.places['row']}: {place}: remove one of them")
                return False
            shared |= not marked
    return shared


def _are_distinct(first: Merged, second: Merged) -> bool:
    """Whether the points or boxes of two rows are of two heads."""
    kinds = {"bonnet", "blowhead", "box"} & first.facts.keys() & second.facts.keys()
    return any(not agree(first.facts[kind], second.facts[kind]) for kind in kinds)


def _join(existing: list[Merged], entries: list[Merged], problems: list[str]) -> list[Merged]:
    """The whales of a photo by all files so far, joined with those of one more."""
    if not existing:
        return entries
    if len(existing) == len(entries) == 1:
        return [_agreeing(existing[0], entries[0], problems)]
    whales = {entry.facts.get("whale"): i for i, entry in enumerate(existing)}
    for entry in entries:
        i = whales.get(entry.facts.get("whale"))
        if i is None or "whale" not in entry.facts:
            file = f"{short(entry.file)} shows {len(existing)} whales in {existing[0].places['row']}"
            problems.append(f"{entry.places['row']}: {file}: name the whale in both files, or keep one of them")
            break
        existing[i] = _agreeing(existing[i], entry, problems)
    return existing


def _agreeing(first: Merged, second: Merged, problems: list[str]) -> Merged:
    """Two statements about one whale on one photo as one."""
    facts, places = dict(first.facts), dict(first.places)
    for kind, fact in second.facts.items():
        if not agree(facts.setdefault(kind, fact), fact):
            values = f"{short(str(fact))} here and {short(str(facts[kind]))} in {places[kind]}"
            problems.append(
                f"{second.places[kind]}: {kind} of {short(first.file)} is {values}: {_advice(kind, first, second)}"
            )
        places.setdefault(kind, second.places[kind])
    return Merged(first.file, facts, places)


def _advice(kind: str, first: Merged, second: Merged) -> str:
    """What to do about two files that disagree: where one has the points the wrong way round, it says so."""
    crossed = [(first.facts.get(a), second.facts.get(b)) for a, b in (("bonnet", "blowhead"), ("blowhead", "bonnet"))]
    if kind in ("bonnet", "blowhead") and any(a and b and agree(a, b) for a, b in crossed):
        return "are bonnet and blowhead swapped in one of the files?"
    return "remove one of them"


def agree(a: Fact, b: Fact) -> bool:
    """Whether two texts are equal, or the numbers of two marks to a pixel."""
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return not any(abs(x - y) >= 1 for x, y in zip(a, b, strict=True))  # NaN, which is a problem already, agrees
