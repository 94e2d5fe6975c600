"""What test-time augmentation gains the aligner, and what it costs: the point error over the number of warps."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import splits
from whale_jax.evaluation import tta
from whale_jax.experiment import build, selection
from whale_jax.programs import crossfit
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
    "most": 0,  # photos, drawn from all that the network has not seen; 0 takes all
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
    crossfit_folder = Path(config.inputs.network)
    trained = finished_runs.read(crossfit_folder).config
    if trained["program"] != "crossfit" or trained["task"]["name"] != "keypoints":
        raise errors.InputError(f"{crossfit_folder} finds no points: tta wants a crossfit with the task 'keypoints'")
    best = build.WEIGHTS[trained.get("weights", "best")]  # as folders from before the key were
    folder = renamed.subfold_folder(crossfit_folder, config.subfold)
    network_config, data, network = build.reopen(folder, batch=config.batch, best=best)
    for grid in config.grids.values():
        build.expect_sharp(ConfigDict({**network_config, "tta": grid}), data.view.images.shape[1:3])
    rows = choose(config, network_config, folder=folder, data=data)
    photos = data.photos._replace(points=data.photos.points[rows])
    table = []
    for name, grid in sorted(config.grids.items(), key=lambda item: int(item[0])):
        shared = {"average": config.average, "batch": config.batch, "size": network_config.size}
        grid_config = ConfigDict({"tta": grid, **shared})
        crossfit.predict(network, data, rows[: config.batch], config=grid_config)  # compiles
        start = time.perf_counter()
        predictions = crossfit.predict(network, data, rows, config=grid_config)
        rate = len(rows) / (time.perf_counter() - start)
        metrics = crossfit.score(predictions, photos)
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


def choose(config: ConfigDict, network_config: ConfigDict, *, folder: Path, data: build.Data) -> np.ndarray:
    """(n,) rows of annotated photos that the network in `folder` has not seen, `config.most` of them at most."""
    subfold = splits.subfolds(data.split, network_config.num_subfolds, network_config.fold)
    rows = np.flatnonzero(subfold == config.subfold)
    rows = np.setdiff1d(rows, selection.seen(finished_runs.read(folder), data.split))
    rows = rows[data.view.pictured[rows] & np.isfinite(data.photos.points[rows]).all((1, 2))]
    if config.most:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[: config.most])
    return rows


def check(config: ConfigDict) -> None:
    """Raises InputError where a grid has another number of warps than its name says."""
    for name, grid in config.grids.items():
        if str(count := len(tta.grid(grid, (2, 2), size=(2, 2)))) != name:
            raise errors.InputError(f"config.grids: the grid {name!r} has {count} warps")


PROGRAM = Program(DEFAULTS, run, check=check, revisit=tables.reprint)
