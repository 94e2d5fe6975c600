"""Trains one network for each subfold of the photos and predicts each photo by the network that has not seen it.

So a later stage trains on predictions with the errors that it will meet on new photos. Unlabelled photos were seen by
no network: for them the predictions of all are averaged.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax import tasks
from whale_jax.data import predictions
from whale_jax.evaluation import tta
from whale_jax.experiment import build, dataset, prediction, released, restore, rows, settings
from whale_jax.experiment.prediction import TTA
from whale_jax.runtime import errors, hosts, registry
from whale_jax.workflow import renamed, stage
from whale_jax.workflow.program import Program

DEFAULTS = {
    **{key: value for key, value in settings.DEFAULTS.items() if key != "subfold"},
    "fold": -1,  # held out from all subfolds; -1 is none
    "num_subfolds": 2,
    "tta": {},  # of test-time augmentation, see tta.grid
    "average": "mean",
    "weights": "last",  # or "best": on the very photos that they then predict, if only of a few evaluations
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/predictions.npz: every photo's points or box in photo pixels, NaN where it has no picture."""
    data, task = dataset.load(config.inputs), build.task_of(config)
    dataset.expect_sharp(data.stored_size, training=config, tta=config.tta)
    results = [
        stage.run(subfold_config(config, subfold), renamed.subfold_folder(workdir, subfold))
        for subfold in range(config.num_subfolds)
    ]
    summary = hosts.once(partial(predict, config, workdir, data=data, task=task)) or {}
    return {
        "split": data.split.hash,
        "fold": rows.held_out_fold(task.annotation, config.fold),
        "photos": data.photos.digest,
        "device": results[0]["device"],
        **summary,
        "caveats": [*released.missing(config), *summary.get("caveats", ())],
        "single_warp": [result["metrics"] for result in results],
        "training_seconds": sum(result["training"]["seconds"] for result in results),
        "images_per_second": float(np.mean([result["training"]["images_per_second"] for result in results])),
    }


def predict(config: ConfigDict, workdir: Path, *, data: dataset.Data, task: tasks.Task) -> dict[str, Any]:
    """Writes workdir/predictions.npz, and returns its metrics, see `prediction.summary`."""
    arrays = prediction.out_of_fold(
        workdir,
        data,
        batch=config.batch,
        augmentation=TTA(config.tta, config.average),
        best=restore.WEIGHTS[config.weights],
    )
    predictions.save(workdir, data.photos, arrays=arrays)
    return prediction.summary(task, arrays, photos=data.photos, split=data.split)


def check(config: ConfigDict) -> None:
    """Raises InputError for whatever in the config is wrong in itself."""
    task = build.task_of(config)
    if task.pairwise and task.annotation:
        raise errors.InputError("embeddings of two networks cannot be compared: train one, with the program 'train'")
    if config.inputs.labels or not task.annotation:
        message = "leaves nothing that no network has seen, which is what a cross-fit is for: use the program 'train'"
        raise errors.InputError(
            f"a training on {'guessed labels' if config.inputs.labels else 'every photo'} {message}"
        )
    settings.check(subfold_config(config, 0))
    tta.grid(config.tta, (2, 2), size=(2, 2))
    registry.lookup("average", tta.AVERAGES, config.average)
    registry.lookup("weights", restore.WEIGHTS, config.weights)


def subfold_config(config: ConfigDict, subfold: int) -> ConfigDict:
    """The config of the network that holds a subfold out; it begins as the one of that subfold of a cross-fit did."""
    training = {key: config[key] for key in settings.DEFAULTS if key in config}
    if config.inputs.weights and (folders := renamed.subfold_folders(Path(config.inputs.weights))):
        training["inputs"] = {**config.inputs, "weights": str(folders[subfold % len(folders)])}
    return stage.config("train", **{**training, "subfold": subfold})


PROGRAM = Program(
    DEFAULTS,
    run,
    check=check,
    together=True,
    inputs_of_other_photos=settings.OF_OTHER_PHOTOS,
    files=released.files,
    specs=build.SPECS,
)
