"""The table that the competition's winners retrain on: Image, whaleID, callosity, two points, height and width.

`height` and `width` are of the photo, not of a box (deepsense.ai's right-whale pipeline).
"""

from whale_jax.data import cells, sheets
from whale_jax.data.folder import Folder
from whale_jax.data.formats import table, tabular
from whale_jax.data.rows import Format, Reading, Settings, Source


def evidence(folder: Folder) -> str:
    """What it is recognised by: a table with callosity."""
    paths = table.with_columns(folder, "callosity", "whaleid")
    return cells.examples(f"callosity of {path.name}" for path in paths)


def read(folder: Folder, settings: Settings, *, problems: list[str]) -> Reading:
    """The rows of the table, each with the size of its photo."""
    path = table.only(folder, table.with_columns(folder, "callosity", "whaleid"))
    rows, notes = tabular.read(path, settings, problems=problems)
    sizes = {}
    for place, record in sheets.read(path).records([]):
        if record.get("width") and record.get("height"):
            sizes[place] = cells.numbers(
                [record["width"], record["height"]], f"{place}, width, height", problems=problems
            )
    rows = [row._replace(facts={**row.facts, "size": sizes[row.place]}) if row.place in sizes else row for row in rows]
    return Reading((Source(rows, only_present=True),), notes=notes)


FORMAT = Format(evidence, read)
