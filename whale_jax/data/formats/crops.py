"""Ready crops of aligned heads: train/, test/ and train.csv, and whatever else the competition has beside them."""

from whale_jax.data.folder import Folder, hidden_prefixes
from whale_jax.data.formats import competition
from whale_jax.data.rows import Format


def evidence(folder: Folder) -> str:
    """What it is recognised by: photos in train or test, and train.csv."""
    names = [name for name in ("train", "test") if (folder.root / name).is_dir()]
    ready = hidden_prefixes(folder.root) == ("train/", "test/") and names
    return f"{' and '.join(names)} beside train.csv" if ready else ""


FORMAT = Format(evidence, competition.read)
