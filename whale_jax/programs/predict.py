"""Applies the networks of a finished stage to another view, of the same photos or of others.

Photos that the stage was made from are predicted by the networks that have not seen them, as there. A folder in which
only some photos are those counts as another: leave them out where errors are to be measured.
"""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from whale_jax.data import images, predictions, right_whale
from whale_jax.experiment import apply, build, dataset, prediction
from whale_jax.train.parallel import parallel
from whale_jax.workflow import finished_runs, provenance
from whale_jax.workflow.program import Program

DEFAULTS = {"inputs": {"network": "", "photos": "", "view": ""}, "batch": 32}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/predictions.npz as `crossfit` does, and returns the errors where photos are annotated."""
    training = finished_runs.read_in_run(Path(config.inputs.network))
    photos, view = right_whale.load(Path(config.inputs.photos)), images.load(Path(config.inputs.view))
    data = dataset.join(photos, view, split=apply.split_of(training, photos))
    arrays = apply.predict(training, data, batch=config.batch)
    predictions.save(workdir, photos, arrays=arrays)
    recipe = training.config
    task = build.task_of(recipe)
    return {
        "predicted": int(view.pictured.sum()),
        "device": provenance.device(parallel(recipe["parallel"], batch=config.batch).devices),
        **prediction.summary(task, arrays, photos=photos, split=data.split),
    }


PROGRAM = Program(DEFAULTS, run)
