"""Wildbook's bulk import, as a spreadsheet or CSV: a row an encounter, with a column for each of its photos.

Photos: Encounter.mediaAsset0, mediaAsset1, ...; whale: MarkedIndividual.individualID; the sighting, which joins
encounters: Sighting.sightingID (Occurrence.occurrenceID before Wildbook 10); date: Encounter.year, month and day.
"""

import re
from collections.abc import Mapping

from whale_jax.data import cells, sheets
from whale_jax.data.folder import Folder, header
from whale_jax.data.formats import table, tabular
from whale_jax.data.rows import Format, Reading, Row, Settings, Source

PHOTO = re.compile(r"encountermediaasset\d+")
TEXTS = {  # the first that a row has
    "whale": ("markedindividualindividualid", "encounterindividualid", "markedindividualnickname"),
    "encounter": ("sightingsightingid", "encountersightingid", "occurrenceoccurrenceid", "encounteroccurrenceid"),
}
DATE = ("encounteryear", "encountermonth", "encounterday")


def evidence(folder: Folder) -> str:
    """What it is recognised by: a table with Encounter.mediaAsset0."""
    return cells.examples(f"Encounter.mediaAsset of {path.name}" for path in _tables(folder))


def read(folder: Folder, settings: Settings, *, problems: list[str]) -> Reading:
    """A row for each photo of each encounter."""
    path = table.only(folder, _tables(folder))
    sheet = sheets.read(path)
    rows = []
    for place, record in sheet.records(problems):
        record = {cells.key(name): text for name, text in record.items()}
        names = [text for name, text in record.items() if PHOTO.fullmatch(name) and text]
        facts = {
            kind: next((record[name] for name in columns if record.get(name)), "") for kind, columns in TEXTS.items()
        }
        facts["date"] = _date(record)
        facts = {kind: text for kind, text in facts.items() if text}
        rows += [Row(name, facts, place) for name in names]
    used = {*DATE, *(name for columns in TEXTS.values() for name in columns)}
    columns = [name for name in sheet.header if PHOTO.fullmatch(cells.key(name)) or cells.key(name) in used]
    return Reading((Source(rows, only_present=True),), notes=tabular.unused(sheet, columns))


def _date(record: Mapping[str, str]) -> str:
    """Such as "2021-04-02", "2021-04" or "2021"."""
    parts = [record.get(name, "") for name in DATE]
    length = parts.index("") if "" in parts else len(parts)
    return "-".join(part.zfill(2) for part in parts[:length])


def _tables(folder: Folder) -> list:
    return [path for path in folder.sheets if any(PHOTO.fullmatch(cells.key(name)) for name in header(path))]


FORMAT = Format(evidence, read)
