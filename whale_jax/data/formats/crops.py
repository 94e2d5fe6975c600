"""Ready crops of aligned heads: train/, test/ and train.csv, and whatever else the competition has beside them."""

from whale_jax.data.folder import CROPS, Folder
from whale_jax.data.formats import competition
from whale_jax.data.rows import Format


def evidence(folder: Folder) -> str:
    """What it is recognised by: photos in train or test, and train.csv."""
    names = [name for name in ("train", "test") if (folder.root / name).is_dir()]
    return f"{' and '.join(names)} beside train.csv" if folder.hidden == CROPS and names else ""


FORMAT = Format(evidence, competition.read)
