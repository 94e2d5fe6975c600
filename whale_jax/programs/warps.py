"""What test-time augmentation gains the aligner, and what it costs: the error over the number of warps."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import splits
from whale_jax.evaluation import tta
from whale_jax.experiment import build, selection
from whale_jax.programs import crossfit, report
from whale_jax.report import figures
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
    """Writes table.md and warps.png into workdir: point error of photos out of fold, and photos/s, for each grid."""
    folder = Path(config.inputs.network)
    made = finished_runs.read(folder).config
    if made["program"] != "crossfit" or made["task"]["name"] != "keypoints":
        raise errors.InputError(f"{folder} finds no points: warps wants a crossfit with the task 'keypoints'")
    best = build.WEIGHTS[made.get("weights", "best")]  # as folders from before the key were
    trained, data, network = build.reopen(renamed.subfold_folder(folder, config.subfold), batch=config.batch, best=best)
    for warps in config.grids.values():
        build.expect_sharp(ConfigDict({**trained, "tta": warps}), data.view.images.shape[1:3])
    rows = np.flatnonzero(splits.subfolds(data.split, trained.num_subfolds, trained.fold) == config.subfold)
    rows = np.setdiff1d(
        rows, selection.seen(finished_runs.read(renamed.subfold_folder(folder, config.subfold)), data.split)
    )
    rows = rows[data.view.pictured[rows] & np.isfinite(data.photos.points[rows]).all((1, 2))]
    if config.most:
        rows = np.sort(np.random.default_rng(0).permutation(rows)[: config.most])
    known = data.photos._replace(points=data.photos.points[rows])
    table = []
    for name, warps in sorted(config.grids.items(), key=lambda item: int(item[0])):
        own = ConfigDict({"tta": warps, "average": config.average, "batch": config.batch, "size": trained.size})
        crossfit.predict(network, data, rows[: config.batch], config=own)  # compiles
        began = time.perf_counter()
        found = crossfit.predict(network, data, rows, config=own)
        rate = len(rows) / (time.perf_counter() - began)
        table.append({"name": name, "warps": int(name), **crossfit.score(found, known), "photos_per_second": rate})
    text = report.markdown(f"warps a photo, {len(rows):,} photos", table)
    report.publish(workdir, text)
    figures.save(workdir / "warps.png", figures.warp_curve, table)
    return {
        "split": data.split.hash,
        "device": provenance.device(network.parallel.devices),
        "table": text,
        "metrics": {row["name"]: row for row in table},
    }


def check(config: ConfigDict) -> None:
    """Raises InputError where a grid has another number of warps than its name says."""
    for name, warps in config.grids.items():
        if str(count := len(tta.grid(warps, (2, 2), (2, 2)))) != name:
            raise errors.InputError(f"config.grids: the grid {name!r} has {count} warps")


PROGRAM = Program(DEFAULTS, run, check=check, revisit=report.revisit)
