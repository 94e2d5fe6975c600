"""What is in a folder of photos: catalogue.csv in our own layout, a summary, and a page to look through."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import annotations, cells, check, listing, tables
from whale_jax.data.catalogue import Catalogue
from whale_jax.data.rows import Settings
from whale_jax.programs import import_photos
from whale_jax.report import catalogue_page
from whale_jax.report import tables as report
from whale_jax.runtime import errors, progress, threads
from whale_jax.workflow.program import Program

DEFAULTS = {**import_photos.READING, "data": {"root": ""}, "outside": import_photos.DEFAULTS["outside"]}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes catalogue.csv and catalogue.html into workdir, and prints the summary."""
    if not config.data.root:
        raise errors.InputError("no photos to look at: set --config.data.root to the folder that holds them")
    catalogue = annotations.read(config.data.root, Settings.read(config), absent=True)
    photos = decode(catalogue)
    warnings = [*catalogue.warnings, *damage(photos, outside=config.outside), *duplicates(photos)]
    tables.write(workdir / listing.FILE, listing.COLUMNS, rows=map(listing.cells_of, catalogue.photos))
    counts = count(catalogue)
    catalogue_page.write(workdir, catalogue, photos=photos, counts=counts, warnings=warnings)
    report.publish(workdir, summary(catalogue, counts, warnings=warnings))
    return {**counts, "formats": list(catalogue.formats), "notes": list(catalogue.notes), "warnings": warnings}


def decode(catalogue: Catalogue) -> list[check.Checked]:
    """The results of decoding every photo, without their pixels; none where no photo is there."""
    if not any(photo.file_size for photo in catalogue.photos):
        return []
    rows = threads.ahead(lambda photo: check.decode(catalogue.read_bytes, photo), catalogue.photos)
    bar = progress.bar(len(catalogue.photos), title="photos", unit="photos", items=rows)
    return [row._replace(jpeg=b"") for row in bar]


def damage(photos: Sequence[check.Checked], *, outside: float) -> list[str]:
    """Lines about photos that cannot be read, are damaged or blank, or whose marks lie outside."""
    kinds = {
        "cannot be decoded: replace them, or a training refuses to start": [row for row in photos if row.problem],
        "lack the end of their file, but no pixel; copy them again": [row for row in photos if row.cut],
        "have blank parts, as damaged files have, or are of one colour": [row for row in photos if row.blank],
        "are turned by viewers (EXIF); points and boxes are of their pixels as stored": [
            row for row in photos if row.turned
        ],
    }
    lines = [f"{len(rows):,} photos {kind}: {_names(rows)}" for kind, rows in kinds.items() if rows]
    return lines + [line for row in photos if not row.problem for line in check.outside(row, margin=outside)]


def duplicates(photos: Sequence[check.Checked]) -> list[str]:
    """A line about photos that are the same file under several names."""
    files: dict[bytes, dict[str, None]] = {}
    for row in photos:
        if row.digest:
            files.setdefault(row.digest, {})[row.photo.file] = None
    groups = [" = ".join(map(cells.short, names)) for names in files.values() if len(names) > 1]
    return [f"{len(groups):,} photos are there under several names: {cells.examples(groups)}"] if groups else []


def count(catalogue: Catalogue) -> dict[str, int]:
    """How many photos, whales, encounters, points and boxes there are."""
    photos = catalogue.photos
    per_whale = Counter(photo.whale for photo in photos if photo.whale)
    return {
        "photos": len({photo.file for photo in photos}),
        "heads": len(photos),
        "whales": len(per_whale),
        "labelled": sum(per_whale.values()),
        "photos_of_a_whale": int(np.median([*per_whale.values()])) if per_whale else 0,
        "whales_with_one_photo": sum(number == 1 for number in per_whale.values()),
        "encounters": len({photo.encounter for photo in photos} - {""}),
        "with_points": sum(bool(np.isfinite(photo.points).all()) for photo in photos),
        "with_box": sum(bool(np.isfinite(photo.box).all()) for photo in photos),
    }


def summary(catalogue: Catalogue, counts: dict[str, int], *, warnings: Sequence[str]) -> str:
    """What a person reads on the terminal."""
    several, nameless = counts["heads"] - counts["photos"], counts["heads"] - counts["labelled"]
    lines = [
        f"{catalogue.root}",
        *catalogue.notes,
        f"photos: {counts['photos']:,}" + (f"; further whales on them: {several:,}" if several else ""),
        f"named: {counts['labelled']:,}; without a name: {nameless:,}; whales: {counts['whales']:,}",
        f"photos of a whale: {counts['photos_of_a_whale']} at the median",
        f"whales with one photo: {counts['whales_with_one_photo']:,}",
        f"encounters: {counts['encounters']:,}",
        f"with both points: {counts['with_points']:,}; with a box: {counts['with_box']:,}",
        *(f"look into this: {line}" for line in warnings),
    ]
    return "\n".join(lines)


def _names(rows: Sequence[check.Checked]) -> str:
    return cells.examples([row.problem or row.photo.file for row in rows])


PROGRAM = Program(DEFAULTS, run, check=Settings.read, always_runs=True)
