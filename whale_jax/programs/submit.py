"""submission.csv: a probability for every whale on every unlabelled photo, as the competition asked."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax import errors
from whale_jax.data import right_whale, splits
from whale_jax.programs import stack

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "probabilities": ""},
    "fold": 0,
    "source": "best",  # "network", "stack", or whichever has the lower log loss on the photos validated on
    "floor": 1e-4,  # the least probability; a confident error costs no more than -log of it
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/submission.csv, columns in the sample submission's order, rows by name."""
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    valid, test = splits.valid_rows(split, config.fold), np.flatnonzero(photos.label < 0)
    with np.load(Path(config.inputs.probabilities) / "probabilities.npz") as found:
        choices = {name: found[name] for name in found}
    scores = {n: stack.score(p[valid], photos.label[valid], floor=config.floor) for n, p in choices.items()}
    source = min(scores, key=lambda n: scores[n]["log_loss"]) if config.source == "best" else config.source
    if source not in choices:
        raise errors.unknown("source of probabilities", source, ["best", *choices])
    path = workdir / "submission.csv"
    with path.with_suffix(".tmp").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["Image", *photos.whales])
        for name, row in zip(photos.name[test], stack.finish(choices[source][test], config.floor), strict=True):
            table.writerow([name, *(f"{p:.6g}" for p in row)])
    path.with_suffix(".tmp").replace(path)
    return {"split": split.hash, "source": source, "rows": len(test), "metrics": scores[source]}
