"""The metadata of wildlife-datasets: a row a picture, with image_id, identity ("unknown"), path, bbox and date.

Its DataFrame as `df.to_csv` writes it (wildlife-datasets 1.x): bbox is "[x, y, width, height]" in pixels, and other
columns of a dataset (orientation, species, viewpoint) are passed over.
"""

from whale_jax.data import cells
from whale_jax.data.folder import Folder
from whale_jax.data.formats import table
from whale_jax.data.rows import Format, Reading, Settings


def evidence(folder: Folder) -> str:
    """What it is recognised by: a table with identity and path."""
    return cells.examples(
        f"identity and path of {path.name}" for path in table.with_columns(folder, "identity", "path")
    )


def read(folder: Folder, settings: Settings, *, problems: list[str]) -> Reading:
    """The rows of the table, whose `path` is the photo's, below the root."""
    path = table.only(folder, table.with_columns(folder, "identity", "path"))
    columns = {"Image": "path", "whaleID": "identity", **{k: v for k, v in settings.columns.items() if v}}
    return table.reading(path, settings._replace(columns=columns), problems=problems)


FORMAT = Format(evidence, read)
