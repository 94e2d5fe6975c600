"""Trains one network on one view of the photos, for any task."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import loader
from whale_jax.evaluation import caveats
from whale_jax.experiment import build, dataset, fit, init, labels, released, restore, rows, settings
from whale_jax.experiment.labels import Labels
from whale_jax.tasks import Task
from whale_jax.train import loop
from whale_jax.train import state as states
from whale_jax.workflow import json_files, provenance
from whale_jax.workflow.program import Program


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Trains, keeps the best weights in workdir/checkpoints and returns the metrics of validation."""
    data = dataset.load(config.inputs)
    recipe = build.recipe(config, classes=len(data.photos.whales))
    task, holdout = recipe.task, rows.holdout_of(config)
    dataset.expect_sharp(data.stored_size, training=config)
    train, valid = rows.choose(data, annotation=task.annotation, holdout=holdout)
    learned = labels_of(config, task, data=data, train=train)
    train = learned.rows
    task.check(learned.photos, train)
    data = data._replace(examples=loader.Examples(learned.photos, data.view, train, target=learned.target))

    plan = plan_of(config, task, photos=len(train))
    weights = released.load(config, recipe)
    source = init.Source(Path(config.inputs.weights), config.init) if config.inputs.weights else None
    network = init.network(recipe, source, data=data, train=train, valid=valid, steps=plan.steps)
    network = released.fill(network, weights.leaves)
    if task.names_whales:
        json_files.write(workdir / "whales.json", data.photos.whales)
    network, result = fit.fit(
        network,
        data,
        plan=plan,
        batches=batches_of(config, data, train=train, label=learned.photos.label),
        train=train,
        subsets=subsets_of(config, train=train, valid=valid),
        workdir=workdir,
        checkpoints=restore.checkpoint_folder(workdir, bucket=config.bucket),
    )
    last = fit.final_metrics(network, data, train=train, valid=valid, holdout=holdout, batch=config.batch)
    return {
        "split": data.split.hash,
        "fold": rows.held_out_fold(task.annotation, config.fold),
        "photos": data.photos.digest,
        "rows": json_files.hash_of(rows.learned(data.split, annotation=task.annotation, holdout=holdout).tolist()),
        "metrics": result.pop("best"),
        "last": last,
        "caveats": [*weights.caveats, *caveats_of(last, whales=len(data.photos.whales))],
        **weights.report,
        "device": provenance.device(network.parallel.devices),
        "parameters": states.parameter_count(network.state),
        "trained_on": len(train),
        "guessed": int((data.photos.label[train] < 0).sum()) if learned.target is not None else 0,
        "validated_on": len(valid),
        "steps": int(network.state.step),
        "training": result,
    }


def labels_of(config: ConfigDict, task: Task, *, data: dataset.Data, train: np.ndarray) -> Labels:
    """The labels of (n,) rows, and those that `inputs.labels` guessed for others, if it is set."""
    if not config.inputs.labels:
        return Labels(data.photos, train, None)
    return labels.with_guesses(data, train, folder=config.inputs.labels, fold=config.fold, soft=task.soft_labels)


def plan_of(config: ConfigDict, task: Task, *, photos: int) -> loop.Plan:
    """How long a training on so many photos is, and what is done on the way."""
    steps = max(1, round(config.epochs * photos / config.batch)) if config.epochs else 0
    return loop.Plan(
        steps=steps,
        batch=config.batch,
        eval_every=max(1, -(-steps // config.num_evals)),
        log_every=config.log_every,
        patience=config.patience,
        best=task.best,
        maximise=task.maximise,
    )


def batches_of(
    config: ConfigDict, data: dataset.Data, *, train: np.ndarray, label: np.ndarray
) -> Callable[[int], loader.Example]:
    """step -> batch, of the (n,) rows that are trained on and their (N,) labels: see `loader.training`."""
    return loader.training(
        data.examples,
        train,
        batch=config.batch,
        seed=config.seed,
        label=label,
        images_per_class=config.images_per_class,
        shards=config.shards,
    )


def subsets_of(config: ConfigDict, *, train: np.ndarray, valid: np.ndarray) -> dict[str, np.ndarray]:
    """(n,) rows that are measured at every evaluation, by what the log calls them.

    Training photos, with dropout and augmentation off, show how far they are learned by heart (post, section 6).
    """
    drawn = np.random.default_rng(config.seed).permutation(train)[: config.num_train_eval]
    return {"valid": valid} | ({"monitor": drawn} if config.num_train_eval else {})


def caveats_of(metrics: dict[str, float], *, whales: int) -> list[str]:
    """What must be known of the last weights' metrics."""
    return caveats.of_names("calibrated", metrics["calibrated"], whales=whales) if "calibrated" in metrics else []


PROGRAM = Program(
    settings.DEFAULTS,
    run,
    check=settings.check,
    together=True,
    inputs_of_other_photos=settings.OF_OTHER_PHOTOS,
    files=released.files,
    specs=build.SPECS,
)
