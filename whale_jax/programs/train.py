"""Trains one network on one view of the photos, for any task."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from whale_jax.data import groups, loader, predictions, right_whale, splits
from whale_jax.evaluation import calibration, caveats
from whale_jax.experiment import build, init, selection
from whale_jax.experiment.build import NAMING, Data, Network
from whale_jax.runtime import errors, hosts, registry
from whale_jax.tasks.stn import chosen
from whale_jax.train import loop
from whale_jax.train import state as states
from whale_jax.workflow import json_files, provenance
from whale_jax.workflow.program import Program

DEFAULTS = {
    # weights: of a training to begin with; labels: of a `pseudo`, for photos without any
    "inputs": {"photos": "", "split": "", "view": "", "weights": "", "labels": ""},
    "init": "exact",  # with weights of this network; "partial": with those that fit; "grown": of a smaller one
    "seed": 0,
    "fold": 0,  # validated on, the others trained on; -1 trains on all
    "subfold": 0,  # validated on where the photos are cut into `num_subfolds`, for predictions out of fold
    "num_subfolds": 0,
    "task": {"name": "classify"},
    "model": {"name": "vgg"},
    "size": (128, 128),
    "precision": "float32",
    "optimizer": {"name": "adam", "lr": 1e-3},
    "batch": 32,
    "accumulate": 1,  # parts of a batch that does not fit, one after the other
    "remat": False,  # activations within blocks are computed again on the way back: less memory, more work
    "epochs": 10.0,
    "num_evals": 10,
    "patience": 0,
    "log_every": 20,
    "shards": 1,  # that photos are dealt out into before each is shuffled for itself: several hosts read only their own
    "images_per_class": 1,  # photos of a whale that follow each other in training: K of the P x K sampling of triplets
    "num_train_eval": 0,  # training photos that are measured at every evaluation too, with dropout and augmentation off
    "bucket": "",  # gs://..., where checkpoints are kept in place of the run's folder
    "parallel": "jit",
    "devices": 0,
}

COLLAPSED = 0.1  # of embeddings: a mean distance below, of 1.4 if they were spread evenly


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Trains, keeps the best weights in workdir/checkpoints and returns the metrics of validation."""
    data = build.load_data(config)
    build.expect_sharp(config, data.view.images.shape[1:3])
    rows, validation = selection.choose(config, data)
    photos, rows, target = labelled(config, data, rows)
    teachable(config, data._replace(photos=photos), rows)
    data = data._replace(examples=loader.Examples(photos, data.view, rows, target=target))
    steps = max(1, round(config.epochs * len(rows) / config.batch))
    network = started(config, data, rows, validation, steps=steps)
    if config.task.name in NAMING:
        json_files.write(workdir / "whales.json", data.photos.whales)
    order = loader.training(
        data.examples,
        rows,
        batch=config.batch,
        seed=config.seed,
        label=photos.label,
        images_per_class=config.images_per_class,
        shards=config.shards,
    )
    state, result = learn(
        network, data, config=config, batches=order, rows=rows, validation=validation, steps=steps, workdir=workdir
    )
    network = network._replace(state=state)
    last = final_metrics(network, data, validation, config, gallery=rows) if len(validation) else {}
    whales = len(data.photos.whales)
    return {
        "split": data.split.hash,
        "fold": selection.held_out(config),
        "photos": data.photos.digest,
        "rows": json_files.hash_of(selection.trained(config, data.split).tolist()),
        "metrics": result.pop("best"),
        "last": last,
        "caveats": caveats.of_names("calibrated", last["calibrated"], whales=whales) if "calibrated" in last else [],
        "device": provenance.device(network.parallel.devices),
        "parameters": states.parameter_count(network.state),
        "trained_on": len(rows),
        "guessed": int((data.photos.label[rows] < 0).sum()) if target is not None else 0,
        "validated_on": len(validation),
        "steps": int(state.step),
        "training": result,
    }


def started(config: ConfigDict, data: Data, rows: np.ndarray, validation: np.ndarray, *, steps: int) -> Network:
    """The network at its first step, with the weights that it begins with."""
    if config.inputs.weights:
        init.check(config, data, validation)
    network = build.build(config, classes=len(data.photos.whales), steps=steps)
    return init.load(network, config, data, rows) if config.inputs.weights else network


def learn(
    network: Network,
    data: Data,
    *,
    config: ConfigDict,
    batches: Callable[[int], loader.Example],
    rows: np.ndarray,
    validation: np.ndarray,
    steps: int,
    workdir: Path,
) -> tuple[states.TrainState, dict[str, Any]]:
    """Trains on (step -> batch) `batches` of `rows`, and measures on `validation`; the best state, and what it took."""
    # Training photos with dropout and augmentation off: how far they are learned by heart (post, section 6).
    monitored = np.random.default_rng(config.seed).permutation(rows)[: config.num_train_eval]
    looked_at = {"valid": validation} | ({"monitor": monitored} if config.num_train_eval else {})

    def measure(state: states.TrainState, asked: np.ndarray) -> dict[str, float]:
        return build.measured(network._replace(state=state), data, asked, gallery=rows, batch=config.batch)[0]

    plan = loop.Plan(
        steps=steps,
        batch=config.batch,
        eval_every=-(-steps // config.num_evals),
        log_every=config.log_every,
        patience=config.patience,
        best=network.task.best,
        maximise=network.task.maximise,
    )
    return loop.fit(
        network.state,
        network.train,
        plan=plan,
        parallel=network.parallel,
        training=batches,
        measures={name: partial(measure, asked=asked) for name, asked in looked_at.items()},
        workdir=workdir,
        checkpoints=build.kept(config, workdir),
        what=workdir.name,
    )


def labelled(
    config: ConfigDict, data: Data, rows: np.ndarray
) -> tuple[right_whale.Photos, np.ndarray, np.ndarray | None]:
    """Photos, rows to train on and (N, whales) targets with the labels that `inputs.labels` guessed; None without.

    A guess is left out where the photo is of a group or sighting that is held out, or its picture looks like one.
    """
    if not config.inputs.labels:
        return data.photos, rows, None
    guess = predictions.load(config.inputs.labels, data.photos, kind="target")
    known = np.isfinite(guess).all(1) & data.view.pictured & (data.photos.label < 0)
    validated = splits.valid_rows(data.split, config.fold)
    sightings = np.setdiff1d(data.photos.encounter[validated], [""])
    known &= ~splits.held_out(data.split, config.fold) & ~np.isin(data.photos.encounter, sightings)
    guessed = np.flatnonzero(known)
    known[guessed] = ~groups.look_like_any(data.view.images[guessed], data.view.images[validated])
    if not known.any():
        what = "guesses the label of no photo that may be trained on: lower its threshold"
        raise errors.InputError(f"{config.inputs.labels} {what}")
    if config.task.name != "classify" and (guess[known].max(1) < 1).any():
        raise errors.InputError(f"{config.inputs.labels} is soft, which the task {config.task.name!r} cannot learn")
    label = np.where(known, np.nan_to_num(guess).argmax(1), data.photos.label)
    target = np.where(known[:, None], guess, np.eye(guess.shape[1])[label] * (label >= 0)[:, None])
    return (
        data.photos._replace(label=label),
        np.union1d(rows, np.flatnonzero(known)),
        target.astype(np.float32),
    )


def teachable(config: ConfigDict, data: Data, rows: np.ndarray) -> None:
    """Raises InputError where the photos of `rows` hold nothing of what the task learns from."""
    if config.task.name == "embed":
        whales, counts = np.unique(data.photos.label[rows], return_counts=True)
        if counts.max() < 2 or len(whales) < 2:
            raise errors.InputError(
                "the task 'embed' compares two photos of a whale with one of another, and the photos to train on are"
                f" of {len(whales):,} whales with at most {counts.max()} photos each: add photos of these"
            )
    if config.task.name == "stn" and config.task.loc_weight:
        used = rows[right_whale.annotated(data.photos, "points")[rows]]
        if not np.asarray(chosen(jnp.asarray(used), config.task.annotated)).any():
            raise errors.InputError(
                f"the localizer's loss has the weight {config.task.loc_weight:g}, and of the {len(rows):,} photos to"
                f" train on none has points that are used (task.annotated = {config.task.annotated:g}): annotate some,"
                " or set task.loc_weight to 0"
            )


def final_metrics(
    network: Network, data: Data, rows: np.ndarray, config: ConfigDict, *, gallery: np.ndarray
) -> dict[str, float]:
    """Metrics of the last weights over `rows`; of whales also the log loss calibrated, each photo by other groups'."""
    found, said = build.measured(network, data, rows, gallery=gallery, batch=config.batch)
    group, label = data.split.group[rows], data.photos.label[rows]
    if found.get("spread", 2) < COLLAPSED:
        what = "the embeddings' mean distance is %.3f: the network has collapsed; begin with a classifier's weights"
        logging.warning(what, found["spread"])
    if config.task.name in NAMING and config.num_subfolds == 0 and len(np.unique(group)) > 1:
        prior = splits.prior(data.photos, data.split, config.fold)
        p = np.asarray(jax.nn.softmax(said["logits"]), np.float64)
        p = calibration.cross_fit(calibration.fit, p, label=label, prior=prior, group=group)
        found["calibrated"] = float(-np.log(p[np.arange(len(rows)), label]).mean())
    return found


def check(config: ConfigDict) -> None:
    """Raises InputError for whatever in the config is wrong in itself; nothing is compiled."""
    registry.lookup("way to begin", dict.fromkeys(init.WAYS), config.init)
    if config.init != "exact" and not config.inputs.weights:
        raise errors.InputError(f"config.init = {config.init!r} needs inputs.weights: a training to begin with")
    if config.bucket and not config.bucket.startswith("gs://"):
        what = "is no gs:// address: for others, such as s3://, run this by launch.mirror"
        raise errors.InputError(f"config.bucket = {config.bucket!r} {what}")
    parts = build.assemble(config, classes=2)
    size = jax.ShapeDtypeStruct((1, *config.size, 3), jnp.float32)
    returned, shapes = jax.eval_shape(
        lambda key, x: parts.model.init_with_output(key, x, train=False), jax.random.key(0), size
    )
    build.expect_outputs(config.model.name, returned, parts.task.outputs)
    jax.eval_shape(parts.optimizer.init, shapes["params"])
    suits(config)


def suits(config: ConfigDict) -> None:
    """Raises InputError where task and network, or batch, do not belong together."""
    task, model = config.task, config.model
    for name, needs in (("arcface", model.get("head") == "cosine"), ("stn", model.name == "stn")):
        if (task.name == name) != needs:
            what = "the head 'cosine'" if name == "arcface" else "the model 'stn'"
            raise errors.InputError(f"the task {name!r} and {what} belong together: task {task.name!r}, model {model}")
    if task.name == "stn" and tuple(task.crop) != tuple(model.crop):
        raise errors.InputError(f"task.crop = {tuple(task.crop)} and model.crop = {tuple(model.crop)} must be the same")
    if task.name == "stn" and task.objective == "bins" and model.transform != "points":
        raise errors.InputError(
            "task.objective = 'bins' is of score maps, of which model.transform = 'points' has some"
        )
    if config.inputs.labels and task.name not in (*NAMING, "embed"):
        raise errors.InputError(f"inputs.labels names whales, and the task {task.name!r} learns none: leave it out")
    if task.name == "simclr" and (config.batch < 2 or config.images_per_class > 1 or config.inputs.weights):
        raise errors.InputError(
            "the task 'simclr' needs batches of 2 photos or more, each by itself, and knows no whale from before: set"
            " batch to 2 or more, images_per_class to 1, and leave out inputs.weights"
        )
    if config.batch % config.shards or config.shards % hosts.count() * (config.shards > 1):
        raise errors.InputError(
            f"config.shards = {config.shards} must divide config.batch = {config.batch}, and {hosts.count()} hosts must"
            " divide it: or leave it 1, and every host reads of all photos"
        )
    if config.shards > 1 and config.images_per_class > 1:
        raise errors.InputError(
            "photos of one whale are in several shards: set config.shards or config.images_per_class to 1"
        )
    if task.name == "embed" and not 2 <= config.images_per_class < config.batch:
        raise errors.InputError(
            f"batches of {config.batch} with images_per_class = {config.images_per_class} hold no two photos of a whale"
            " and one of another: set images_per_class to 2 or more, and batch above it"
        )


PROGRAM = Program(DEFAULTS, run, check=check, together=True, inputs_of_other_photos=("weights",), specs=build.SPECS)
