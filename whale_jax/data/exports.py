"""Layouts of a catalogue for other tools: a function writes each, and returns its path and lines for a person.

csv: catalogue.csv, as the program `catalogue` writes it.

wildbook: wildbook.xlsx for Wildbook's bulk import (docs.wildme.org, "Bulk Import"), a row for the photos of a whale in
an encounter on a day, and for each photo without a name or an encounter. A person adds what no catalogue holds: the
place, which Wildbook demands (Encounter.locationID, Encounter.verbatimLocality, or Encounter.decimalLatitude and
decimalLongitude), their user name (Encounter.submitterID: without it the encounters are nobody's), and Encounter.state
where encounters are not approved yet. Points, boxes and the time of the day are left out.

folders: photos/, with a folder for each whale, one for the photos without a name, and catalogue.csv, by which nothing
is lost where a folder cannot have its whale's name.

capture_history: capture_history.csv, a row a whale, a column a survey, 1 where the whale was photographed. A day with
photos of any whale is a survey; surveys without a photo are added by a person. For RMark and MARK, R joins the columns:
`data.frame(ch = apply(read.csv("capture_history.csv")[-1], 1, paste, collapse = ""))`.
"""

import itertools
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import openpyxl
from ml_collections import ConfigDict
from openpyxl.cell import WriteOnlyCell

from whale_jax.data import cells, check, folder, listing, tables
from whale_jax.data.catalogue import Catalogue, Photo
from whale_jax.runtime import errors, progress, registry, storage

OCCASIONS = ("year", "month", "day")
UNNAMED = "unknown"  # the folder of photos without a name
LONGEST = 60  # characters of a folder's name: systems allow 255 bytes, and a character has up to four
MOST = 200  # encounters in a spreadsheet, as Wildbook asks for
FIELDS = ("MarkedIndividual.individualID", "Sighting.sightingID", "Encounter.year", "Encounter.month", "Encounter.day")
FIELDS += ("Encounter.genus", "Encounter.specificEpithet")
_DATE = re.compile(r"(\d{4})(?:([-/.:]?)(0[1-9]|1[0-2])(?:\2(0[1-9]|[12]\d|3[01]))?)?(?:[T ].*)?")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³])\s*(\..*)?", re.IGNORECASE)  # by Windows


def as_csv(catalogue: Catalogue, workdir: Path, *, config: ConfigDict) -> tuple[Path, list[str]]:
    """Writes catalogue.csv."""
    path = workdir / listing.FILE
    tables.write(path, listing.COLUMNS, rows=map(listing.cells_of, catalogue.photos))
    texts = dict.fromkeys(text for photo in catalogue.photos for text in (photo.file, photo.whale, photo.encounter))
    return path, _lines({"names are formulas to a spreadsheet: open the CSV as text": cells.formulas(texts)})


def as_wildbook(catalogue: Catalogue, workdir: Path, *, config: ConfigDict) -> tuple[Path, list[str]]:
    """Writes wildbook.xlsx. Columns without any data are left out, as Wildbook asks for."""
    photos, names = catalogue.photos, _short(("", photo.file) for photo in catalogue.photos)
    groups: dict[tuple, list[Photo]] = {}
    for photo in photos:  # those without a name need not show one whale, whatever their encounter
        single = "" if photo.whale and photo.encounter else photo.name
        groups.setdefault((photo.encounter, photo.whale, _parts(photo.date), single), []).append(photo)
    media = [f"Encounter.mediaAsset{i}" for i in range(max(map(len, groups.values()), default=0))]
    records = []
    # To a row without a sighting, Wildbook gives that of a row before it: such rows go first.
    for (encounter, whale, parts, _), members in sorted(groups.items(), key=lambda group: bool(group[0][0])):
        day = [*map(int, parts), *[""] * (len(OCCASIONS) - len(parts))]
        record = dict(zip(FIELDS, (whale, encounter, *day, *config.species.split()), strict=True))
        records.append(record | dict(zip(media, (names["", photo.file] for photo in members), strict=False)))
    columns = [*media, *(field for field in FIELDS if any(record[field] for record in records))]
    rows = [[record.get(column, "") for column in columns] for record in records]
    _write_spreadsheet(workdir / "wildbook.xlsx", [columns, *rows])
    bare = {file: re.sub(r"[^A-Za-z0-9. ]", "", cells.basename(file)).casefold() for _, file in names}
    counts = Counter(bare.values())
    remarks = {
        "photos are without a date that can be read, and Wildbook demands Encounter.year": _undated(photos, 1),
        "photos have the name of another once Wildbook has removed folders and special characters": [
            file for file, name in bare.items() if counts[name] > 1
        ],
        "photos show several whales, and have a row of each, which whale_jax does not read without points": _shared(
            photos
        ),
    }
    lines = ["for you to add: a place, which Wildbook demands (Encounter.locationID), and Encounter.submitterID"]
    lines += [f"{len(records):,} encounters: Wildbook asks for at most {MOST} a spreadsheet"] * (len(records) > MOST)
    return workdir / "wildbook.xlsx", lines + _lines(remarks)


def as_folders(catalogue: Catalogue, workdir: Path, *, config: ConfigDict) -> tuple[Path, list[str]]:
    """Copies the photos into a folder for each whale, bytes unchanged. All of them are there in the end, or none."""
    target, partial = workdir / "photos", workdir / f"photos{storage.PARTIAL}"
    if target.exists():
        raise errors.InputError(f"{target} is there already: delete it, or choose another --workdir")
    photos, homes = catalogue.photos, folder_names(photo.whale for photo in catalogue.photos)
    paths = {
        (whale, file): "/".join([homes[whale], *map(safe, name.split("/"))])
        for (whale, file), name in _short((photo.whale, photo.file) for photo in photos).items()
    }
    counts = Counter(path.casefold() for path in paths.values())
    if alike := [file for (_, file), path in paths.items() if counts[path.casefold()] > 1]:
        raise errors.InputError(f"photos of one name to other systems: {cells.examples(alike)}: rename them")
    check.room(workdir, sum(photo.file_size for photo in photos))
    try:
        for (_, file), path in progress.bar(len(paths), title="photos", unit="photos", items=paths.items()):
            (partial / path).parent.mkdir(parents=True, exist_ok=True)
            with (partial / path).open("xb") as copy:
                copy.write(_content(catalogue, file))
        rows = [listing.cells_of(photo._replace(file=paths[photo.whale, photo.file])) for photo in photos]
        tables.write(partial / listing.FILE, listing.COLUMNS, rows=rows)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    remarks = {
        f"folders have another name than their whale, which {listing.FILE} tells": [
            f"{whale} in {home}" for whale, home in homes.items() if whale and whale != home
        ],
        f"photos have another name now, which {listing.FILE} tells": [
            file for (_, file), path in paths.items() if cells.basename(file) != cells.basename(path)
        ],
        "photos show several whales, and are copied for each": _shared(photos),
    }
    return target, _lines(remarks)


def as_capture_history(catalogue: Catalogue, workdir: Path, *, config: ConfigDict) -> tuple[Path, list[str]]:
    """Writes capture_history.csv. Whales without a date are left out: a row of zeros is no capture."""
    length, photos = OCCASIONS.index(config.occasion) + 1, catalogue.photos
    pairs = {(p.whale, "-".join(parts[:length])) for p in photos if len(parts := _parts(p.date)) >= length}
    captures = {(whale, survey) for whale, survey in pairs if whale}
    if not captures:
        advice = f"no named whale has a date of which the {config.occasion} can be read, as in 2021-04-02"
        raise errors.InputError(f"{catalogue.root}: {advice}: add a column of dates, or choose another layout")
    whales, surveys = sorted({whale for whale, _ in captures}), sorted({survey for _, survey in pairs})
    rows = [[whale, *(str(int((whale, survey) in captures)) for survey in surveys)] for whale in whales]
    tables.write(path := workdir / "capture_history.csv", ("whaleID", *surveys), rows=rows)
    remarks = {
        f"photos are left out, as the {config.occasion} of their date cannot be read": _undated(photos, length),
        "photos without a name are in no row": [photo.name for photo in photos if not photo.whale],
        "whales are left out, without any such date": sorted({photo.whale for photo in photos} - {"", *whales}),
    }
    return path, _lines(remarks)


LAYOUTS = registry.Registry(
    "layout", csv=as_csv, wildbook=as_wildbook, folders=as_folders, capture_history=as_capture_history
)
register = LAYOUTS.register


def folder_names(whales: Iterable[str]) -> dict[str, str]:
    """Whale -> the name of its folder, which no system takes for another's; that of "" is UNNAMED."""
    names, reserved = {"": UNNAMED}, {UNNAMED, listing.FILE, folder.HOME}
    for whale in sorted({*whales} - {""}):
        name = safe(whale[:LONGEST])
        numbered = (f"{name} ({number})" for number in itertools.count(2))
        names[whale] = next(text for text in itertools.chain([name], numbered) if text.casefold() not in reserved)
        reserved.add(names[whale].casefold())
    return names


def safe(name: str) -> str:
    """The name as every system allows it to a file or folder, and hidden on none; it leads to no other folder."""
    name = _UNSAFE.sub("_", name).rstrip(". ")
    return f"_{name}" if not name or name.startswith(".") or _RESERVED.fullmatch(name) else name


def _parts(date: str) -> tuple[str, ...]:
    """Year, month and day of a date, as far as it has them in this order; () where they cannot be told apart."""
    match = _DATE.fullmatch(date)
    return tuple(filter(None, match.group(1, 3, 4))) if match else ()


def _undated(photos: Iterable[Photo], length: int) -> list[str]:
    return [f"{p.name} ({p.date})" if p.date else p.name for p in photos if len(_parts(p.date)) < length]


def _shared(photos: Iterable[Photo]) -> list[str]:
    return [file for file, number in Counter(photo.file for photo in photos).items() if number > 1]


def _short(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """(folder, path) of photos -> the name of each in its folder: its path only where another has its file name."""
    unique = dict.fromkeys(pairs)
    counts = Counter((home, cells.basename(path).casefold()) for home, path in unique)
    bases = {(home, path): cells.basename(path) for home, path in unique}
    return {pair: base if counts[pair[0], base.casefold()] == 1 else pair[1] for pair, base in bases.items()}


def _content(catalogue: Catalogue, name: str) -> bytes:
    try:
        return catalogue.read_bytes(name)
    except Exception as error:  # of the system, and of damaged zip files
        raise errors.InputError(f"{name} cannot be read ({error}): copy it again, or remove it") from error


def _write_spreadsheet(path: Path, rows: Iterable[Sequence[str | int]]) -> None:
    """Writes a whole spreadsheet. A text stays a text, also where it looks like a formula or a number."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("encounters")
    for row in rows:
        line = [WriteOnlyCell(sheet, value) for value in row]
        for cell in line:
            cell.data_type = "s" if isinstance(cell.value, str) else cell.data_type
        sheet.append(line)
    with storage.replacing(path) as partial:
        book.save(partial)


def _lines(remarks: Mapping[str, Sequence[str]]) -> list[str]:
    """A line for a person of each remark that is about any name."""
    return [f"{len(names):,} {text}: {cells.examples(names)}" for text, names in remarks.items() if names]
