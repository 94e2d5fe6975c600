"""What test-time augmentation gains the aligner, and what it costs: the point error over the number of warps."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import splits
from whale_jax.evaluation import tta
from whale_jax.experiment import dataset, prediction, restore
from whale_jax.experiment import rows as row_choice
from whale_jax.experiment.dataset import Data
from whale_jax.experiment.prediction import TTA
from whale_jax.experiment.rows import Holdout
from whale_jax.report import charts, figures, tables
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs, provenance, renamed
from whale_jax.workflow.program import Program

TURNS = tuple(range(0, 360, 45))
DEFAULTS = {
    "inputs": {"network": ""},  # a finished crossfit of points
    "subfold": 0,
    "batch": 64,
    "average": "mean",
    "max_photos": 0,  # photos, drawn from all that the network has not seen; 0 takes all
    "grids": {
        "1": {},
        "8": {"rotate": TURNS},
        "32": {"rotate": TURNS, "scale": (0.9, 1.1), "flip_ud": (0, 1)},
        "243": {
            "rotate": (-30, 0, 30),
            "scale": (0.9, 1.0, 1.1),
            "shift_x": (-0.05, 0, 0.05),
            "shift_y": (-0.05, 0, 0.05),
            "shear": (-5, 0, 5),
        },
    },
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes table.md and tta.png into workdir: the point error of photos out of fold, and photos/s, for each grid."""
    crossfit = finished_runs.read(config.inputs.network)
    recipe = crossfit.config
    if recipe["program"] != "crossfit" or row_choice.annotation_of(recipe) != "points":
        raise errors.InputError(f"{crossfit.folder} finds no points: tta wants a crossfit of a task that learns them")
    best = restore.WEIGHTS[recipe.get("weights", "best")]  # as folders from before the key were
    folder = renamed.subfold_folder(crossfit.folder, config.subfold)
    network, data, holdout = restore.reopen(folder, batch=config.batch, best=best)
    for grid in config.grids.values():
        dataset.expect_sharp(data.stored_size, training=recipe, tta=grid)
    rows = choose(data, holdout, folder=folder, most=config.max_photos)
    table = []
    for name, grid in sorted(config.grids.items(), key=lambda item: int(item[0])):
        augmentation = TTA(grid, config.average)
        predict = partial(prediction.predict_augmented, network, data, batch=config.batch, augmentation=augmentation)
        predict(rows=rows[: config.batch])  # compiles
        start = time.perf_counter()
        predictions = predict(rows=rows)
        rate = len(rows) / (time.perf_counter() - start)
        predictions = prediction.scatter(predictions, rows, count=len(data.photos.name))
        metrics = network.task.score(predictions, data.photos, rows=rows)
        table.append({"name": name, "warps": int(name), **metrics, "photos_per_second": rate})
    text = tables.markdown(f"warps a photo, {len(rows):,} photos", table)
    tables.publish(workdir, text)
    figures.save(workdir / "tta.png", charts.tta_curve, table)
    return {
        "split": data.split.hash,
        "device": provenance.device(network.parallel.devices),
        "table": text,
        "metrics": {row["name"]: row for row in table},
    }


def choose(data: Data, holdout: Holdout, *, folder: Path, most: int) -> np.ndarray:
    """(n,) rows of annotated photos that the network in `folder` has not seen, `most` of them at most, if it is set."""
    subfold = splits.subfolds(data.split, holdout.num_subfolds, fold=holdout.fold)
    rows = np.flatnonzero(subfold == holdout.subfold)
    rows = np.setdiff1d(rows, row_choice.learned_by(finished_runs.read(folder), data.split))
    rows = rows[data.view.pictured[rows] & np.isfinite(data.photos.points[rows]).all((1, 2))]
    if most:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:most])
    return rows


def check(config: ConfigDict) -> None:
    """Raises InputError where a grid has another number of warps than its name says."""
    for name, grid in config.grids.items():
        if str(count := len(tta.grid(grid, (2, 2), size=(2, 2)))) != name:
            raise errors.InputError(f"config.grids: the grid {name!r} has {count} warps")


PROGRAM = Program(DEFAULTS, run, check=check, revisit=tables.reprint)
