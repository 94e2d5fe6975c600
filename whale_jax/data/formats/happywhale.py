"""Happywhale's competitions on Kaggle: train.csv with image and individual_id (2022), or Image and Id (2018, 2019).

Photos lie in train_images/ and test_images/ (2022), or train/ and test/. "new_individual" and "new_whale" are no whale.
"""

from whale_jax.data import cells
from whale_jax.data.folder import Folder
from whale_jax.data.formats import table
from whale_jax.data.rows import Format, Reading, Settings

HEADERS = {("image", "individualid"): ("image", "individual_id"), ("image", "id"): ("Image", "Id")}


def evidence(folder: Folder) -> str:
    """What it is recognised by: train.csv with the columns of one of the competitions."""
    return cells.examples(f"{' and '.join(HEADERS[keys])} of {path.name}" for keys, path in _tables(folder))


def read(folder: Folder, settings: Settings, *, problems: list[str]) -> Reading:
    """The rows of train.csv."""
    _, path = _tables(folder)[0]
    return table.reading(path, settings, problems=problems, required=("Image", "whaleID"))


def _tables(folder: Folder) -> list:
    return [(keys, path) for keys in HEADERS for path in table.with_columns(folder, *keys) if path.name == "train.csv"]


FORMAT = Format(evidence, read)
