"""The layouts that folders of photos come in, and how they are told apart: by what the files hold, never by a guess.

Whoever adds one writes a file with a `Format`, and a line here, or calls `formats.register(name, FORMAT)`.
"""

from whale_jax.data import cells, rows
from whale_jax.data.folder import Folder
from whale_jax.data.formats import (
    coco,
    competition,
    crops,
    deepsense,
    folders,
    happywhale,
    label_studio,
    photos,
    table,
    via,
    wildbook,
    wildlife_datasets,
)
from whale_jax.data.rows import Reading, Settings
from whale_jax.runtime import errors, registry
from whale_jax.runtime.errors import InputError

FORMATS = registry.Registry(
    "format",
    competition=competition.FORMAT,
    crops=crops.FORMAT,
    wildbook=wildbook.FORMAT,
    wildlife_datasets=wildlife_datasets.FORMAT,
    happywhale=happywhale.FORMAT,
    deepsense=deepsense.FORMAT,
    coco=coco.FORMAT,
    label_studio=label_studio.FORMAT,
    via=via.FORMAT,
    table=table.FORMAT,
    folders=folders.FORMAT,
    photos=photos.FORMAT,
)
register = FORMATS.register
LAST = ("table", "folders", "photos")  # where no format fits that says more of a folder
BESIDE = ("coco", "label_studio", "via")  # files of annotations, beside which a table or folders name the whales


def read(name: str, folder: Folder, *, settings: Settings, problems: list[str]) -> Reading:
    """What the files of a folder say, read as the format `name`. Files that it does not understand raise InputError."""
    try:
        reading = FORMATS[name].read(folder, settings, problems=problems)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        tables = cells.examples(path.name for path in folder.tables)
        message = f"{folder.root}: {tables} is not as {name} writes it ({error!r}): export it again"
        raise InputError(message) from error
    facts = {fact for source in reading.sources for row in source.rows for fact in row.facts}
    if unknown := facts - {*rows.MARKS, *rows.TEXTS}:
        raise errors.unknown(f"fact of the format {name!r}", min(unknown), (*rows.TEXTS, *rows.MARKS))
    return reading


def recognise(folder: Folder, chosen: str = "") -> dict[str, str]:
    """The names of a folder's formats, with evidence of each: those that `chosen` lists with "+", or the one that fits.

    Raises:
        InputError: an unknown name, two formats that fit, or none.
    """
    if chosen:
        names = chosen.split("+")
        return {name: registry.lookup("format", FORMATS, name).evidence(folder) or "as you say" for name in names}
    fitting = {}
    for name in sorted(FORMATS, key=lambda name: LAST.index(name) if name in LAST else -1):
        covered = fitting if name == "photos" else {*fitting} - {*BESIDE} if name in LAST else ()
        if not covered and (evidence := FORMATS[name].evidence(folder)):
            fitting[name] = evidence
    if len(fitting) > 1:
        names = [*reversed(fitting)]  # a table of names before what others drew
        alone = " or ".join(f"--config.format={name}" for name in names)
        choices = f"{alone} decides, and --config.format={'+'.join(names)} reads both"
        looks = " and like ".join(f"{name} ({evidence})" for name, evidence in fitting.items())
        raise InputError(f"{folder.root} looks like {looks}: {choices}")
    if not fitting:
        tables = cells.examples(path.name for path in folder.tables)
        raise InputError(f"{folder.root}: no photos, and no format fits its tables ({tables}): see docs/your_photos.md")
    return fitting
