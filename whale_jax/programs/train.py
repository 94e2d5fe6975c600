"""Trains one network on one view of the photos, for any task."""

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from absl import logging
from ml_collections import ConfigDict

from whale_jax import calibration, errors, registry, retrieval
from whale_jax.data import images, loader, right_whale, splits
from whale_jax.models import MODELS
from whale_jax.programs import finished, stage
from whale_jax.tasks import Task
from whale_jax.tasks.arcface import arcface
from whale_jax.tasks.bbox import bbox
from whale_jax.tasks.classify import classify
from whale_jax.tasks.embed import embed
from whale_jax.tasks.keypoints import keypoints
from whale_jax.train import loop, optim
from whale_jax.train import state as states
from whale_jax.train.checkpoint import Checkpoints
from whale_jax.train.parallel import Parallel, parallel
from whale_jax.train.step import make_eval_step, make_train_step

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "view": "", "weights": ""},  # weights: of a training to begin with
    "seed": 0,
    "fold": 0,  # validated on, the others trained on; -1 trains on all
    "part": 0,  # of `parts`, where the photos are cut into parts for predictions out of fold: validated on then
    "parts": 0,
    "task": {"name": "classify"},
    "model": {"name": "vgg"},
    "size": (128, 128),
    "precision": "float32",
    "optimizer": {"name": "adam", "lr": 1e-3},
    "batch": 32,
    "epochs": 10.0,
    "evaluations": 10,
    "patience": 0,
    "log_every": 20,
    "together": 1,  # photos of one whale that follow each other in training: K of the P x K sampling of triplets
    "monitor": 0,  # training photos that are measured at every evaluation too, with dropout and augmentation off
    "parallel": "jit",
    "devices": 0,
}

TASKS = {"classify": classify, "arcface": arcface, "embed": embed, "bbox": bbox, "keypoints": keypoints}
OPTIMIZERS = {name: partial(optim.optimizer, name=name) for name in optim.NAMES}
SPECS = {"task": TASKS, "model": MODELS, "optimizer": OPTIMIZERS}  # the keys that name what is built of their rest
ELSEWHERE = ("weights",)  # inputs that may be of other photos, and so of another split
WEIGHTS = {"best": True, "last": False}  # of a training that is done
ANNOTATION = {"classify": "label", "arcface": "label", "embed": "label", "bbox": "box", "keypoints": "points"}
NAMING = ("classify", "arcface")  # tasks whose outputs are whales
COLLAPSED = 0.1  # of embeddings: a mean distance below, of 1.4 if they were spread evenly


class Data(NamedTuple):
    """What a network is trained on and applied to: photos, their split (None where it is only applied), and a view."""

    photos: right_whale.Photos
    split: splits.Split | None
    view: images.View
    examples: loader.Examples


class Network(NamedTuple):
    """A network with its compiled steps.

    Attributes:
        task: what it learns.
        state: parameters and all else.
        train, evaluate: compiled steps.
        parallel: puts states and batches on the devices.
    """

    task: Task
    state: states.TrainState
    train: Callable
    evaluate: Callable
    parallel: Parallel


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Trains, keeps the best weights in workdir/checkpoints and returns the metrics of validation."""
    data = load_data(config)
    rows, validation = choose_rows(config, data)
    steps = max(1, round(config.epochs * len(rows) / config.batch))
    network = build(config, classes=len(data.photos.whales), steps=steps)
    if network.task.compared:
        comparable(config, data.photos.label[rows])
    if config.task.name in NAMING:
        stage.write(workdir / "whales.json", data.photos.whales)
    if config.inputs.weights:
        network = begin(network, Path(config.inputs.weights), config, data, unseen=validation)
    plan = loop.Plan(
        steps=steps,
        batch=config.batch,
        eval_every=-(-steps // config.evaluations),
        log_every=config.log_every,
        patience=config.patience,
        best=network.task.best,
        maximise=network.task.maximise,
    )
    # Training photos with dropout and augmentation off: how far they are learned by heart (post, section 6).
    monitored = np.random.default_rng(config.seed).permutation(rows)[: config.monitor]
    looked_at = {"valid": validation} | ({"monitor": monitored} if config.monitor else {})

    def measure(state: states.TrainState, asked: np.ndarray) -> dict[str, float]:
        return measured(network._replace(state=state), data, asked, gallery=rows, batch=config.batch)[0]

    state, result = loop.fit(
        network.state,
        network.train,
        plan=plan,
        parallel=network.parallel,
        training=loader.training(
            data.examples,
            rows,
            batch=config.batch,
            seed=config.seed,
            label=data.photos.label,
            together=config.together,
        ),
        measures={name: partial(measure, asked=asked) for name, asked in looked_at.items()},
        workdir=workdir,
        what=workdir.name,
    )
    with opened(network, workdir) as checkpoints:
        network = network._replace(state=checkpoints.restore(state)[0])
    return {
        "split": data.split.hash,
        "fold": held_out(config),
        "photos": data.photos.digest,
        "rows": stage.hash_of(trained_rows(config, data.split).tolist()),
        "metrics": result.pop("best"),
        "last": final_metrics(network, data, validation, config, gallery=rows) if len(validation) else {},
        "parameters": states.parameter_count(network.state),
        "trained_on": len(rows),
        "validated_on": len(validation),
        "steps": steps,
        "training": result,
    }


def measured(
    network: Network, data: Data, rows: np.ndarray, *, gallery: np.ndarray, batch: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Metrics over `rows`, and predictions for each; of embeddings, by the nearest of the other rows of `gallery`."""
    found, said = predict(network, data, rows, batch=batch)
    if network.task.compared and len(rows):
        others, label = np.setdiff1d(gallery, rows), data.photos.label
        known = predict(network, data, others, batch=batch)[1]["features"]
        found |= retrieval.score(said["features"], known, label[rows], label[others], whales=len(data.photos.whales))
    return found, said


def comparable(config: ConfigDict, label: np.ndarray) -> None:
    """Raises InputError where no batch of photos of these whales would hold two of one whale and one of another."""
    most = np.bincount(label).max()
    if config.together < 2 or config.batch <= config.together or most < 2 or len(np.unique(label)) < 2:
        raise errors.InputError(
            f"the task {config.task.name!r} compares two photos of a whale with one of another, and batches of"
            f" {config.batch} with together = {config.together}, of {len(np.unique(label)):,} whales with at most"
            f" {most:,} photos each, hold no such three: set together to 2 or more and batch above it"
        )


def final_metrics(
    network: Network, data: Data, rows: np.ndarray, config: ConfigDict, *, gallery: np.ndarray
) -> dict[str, float]:
    """Metrics of the last weights over `rows`; of whales also the log loss calibrated, each photo by other groups'."""
    found, said = measured(network, data, rows, gallery=gallery, batch=config.batch)
    group, label = data.split.group[rows], data.photos.label[rows]
    if found.get("spread", 2) < COLLAPSED:
        what = "all embeddings lie within %.3f of each other: the network has collapsed (see the README on triplets)"
        logging.warning(what, found["spread"])
    if config.task.name in NAMING and config.parts == 0 and len(np.unique(group)) > 1:
        prior = splits.prior(data.photos, data.split, config.fold)
        p = np.asarray(jax.nn.softmax(said["logits"]), np.float64)
        p = calibration.cross_fit(calibration.fit, p, label, prior, group=group)
        found["calibrated"] = float(-np.log(p[np.arange(len(rows)), label]).mean())
    return found


def load_data(config: ConfigDict) -> Data:
    """Photos, split and view that `config.inputs` names."""
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    view = images.load(Path(config.inputs.view))
    return Data(photos, split, view, loader.Examples(photos, view))


def choose_rows(config: ConfigDict, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows to validate on: those of the split that have the annotation and a picture."""
    folds = data.split.folds
    groups = data.split.group.max() + 1
    if not -1 <= config.fold < folds or not (config.parts == 0 or 2 <= config.parts <= groups):
        raise errors.InputError(
            f"config.fold = {config.fold} and parts = {config.parts}: the split has folds 0 to {folds - 1} (-1 holds"
            f" out none), and {groups:,} groups of photos to cut into 2 or more parts"
        )
    train = trained_rows(config, data.split)
    if config.parts:
        inside = splits.parts(data.split, config.parts, config.fold) == config.part
        valid = np.setdiff1d(np.flatnonzero(inside), train)
    else:
        valid = splits.valid_rows(data.split, config.fold)
    known = right_whale.annotated(data.photos, registry.lookup("task", ANNOTATION, config.task.name))
    known &= np.isfinite(data.view.matrices).all((1, 2))
    train, valid = train[known[train]], valid[known[valid]]
    if not len(train):
        what = f"no photo to train on has a picture and the annotation {ANNOTATION[config.task.name]!r}"
        raise errors.InputError(f"{what}: import annotations first, of several sightings")
    return train, valid


def trained_rows(config: ConfigDict, split: splits.Split) -> np.ndarray:
    """Rows that the split gives a network to train on, annotated or not."""
    if not config.parts:
        return splits.train_rows(split, config.fold)
    part = splits.parts(split, config.parts, config.fold)
    rows = np.flatnonzero((part >= 0) & (part != config.part))
    return np.union1d(rows, splits.in_one_part(split, part)) if ANNOTATION[config.task.name] == "label" else rows


def seen_rows(one: finished.Stage, split: splits.Split) -> np.ndarray:
    """Rows that a finished training was given by this split. If the rule was another then, InputError."""
    rows = trained_rows(ConfigDict(one.config), split)
    if one.result.get("rows") != stage.hash_of(rows.tolist()):
        raise errors.InputError(f"{one.folder} was trained when photos were dealt to parts otherwise: train it again")
    return rows


def held_out(config: ConfigDict) -> int | None:
    """The fold that no whale was learned from; where heads are, may be learned from any."""
    return config.fold if ANNOTATION[config.task.name] == "label" else None


def check(config: ConfigDict) -> None:
    """Raises InputError for whatever in the config is wrong in itself; nothing is compiled."""
    parts = assemble(config, classes=2)
    size = jax.ShapeDtypeStruct((1, *config.size, 3), jnp.float32)
    jax.eval_shape(lambda key, x: parts.model.init(key, x, train=False), jax.random.key(0), size)


class Parts(NamedTuple):
    """What a config names: the task, the model, the optimiser, and the devices they run on."""

    task: Task
    model: nn.Module
    optimizer: optax.GradientTransformation
    parallel: Parallel


def assemble(config: ConfigDict, *, classes: int, steps: int = 1) -> Parts:
    """The parts of a network; every unknown name or key raises InputError here."""
    if config.batch < 1 or config.epochs <= 0 or config.evaluations < 1 or config.log_every < 1:
        raise errors.InputError("config.batch, epochs, evaluations and log_every must be above 0")
    size = tuple(config.size)
    more = {"size": size} | ({"classes": classes} if config.task.name in NAMING else {})
    task = registry.build("task", TASKS, config.task, **more)
    precision = registry.lookup("precision", {"float32": jnp.float32, "bfloat16": jnp.bfloat16}, config.precision)
    model = registry.build("model", MODELS, config.model, outputs=task.outputs, dtype=precision)
    optimizer = registry.build("optimizer", OPTIMIZERS, config.optimizer, steps=steps)
    return Parts(task, model, optimizer, parallel(config.parallel, config.devices, batch=config.batch))


def build(config: ConfigDict, *, classes: int, steps: int = 1) -> Network:
    """The network of a config at its first step."""
    task, model, optimizer, devices = assemble(config, classes=classes, steps=steps)
    return Network(
        task=task,
        state=states.create(model, optimizer, config.seed, tuple(config.size)),
        train=devices.train(make_train_step(model, task, optimizer)),
        evaluate=devices.evaluate(make_eval_step(model, task)),
        parallel=devices,
    )


def begin(network: Network, folder: Path, config: ConfigDict, data: Data, *, unseen: np.ndarray) -> Network:
    """A network that begins with the best weights of the training in `folder`.

    Another architecture or other whales raise InputError, as does a training that has seen photos of the rows `unseen`,
    which are validated on here.
    """
    there = finished.read(folder)
    with opened(network, folder) as checkpoints:
        if finished.made_from(there, data.photos):
            if there.result["split"] != data.split.hash:
                what = "was trained on these photos by another split: train it again by this one"
                raise errors.InputError(f"{folder} {what}")
            if both := len(np.intersect1d(seen_rows(there, data.split), unseen)):
                what = f"was trained on {both:,} of the {len(unseen):,} photos that are validated on here"
                raise errors.InputError(f"{folder} {what}: begin with one that holds out the same fold or part")
        whales = stage.read(folder / "whales.json")
        if whales and config.task.name in NAMING:
            sides = ({name: i for i, name in enumerate(names)} for names in (whales, data.photos.whales))
            if lines := errors.differences(*sides):
                what = f"{folder} names other whales, or in another order (- what it names, + these photos' list):"
                raise errors.InputError("\n".join([what, *lines]))
        return network._replace(state=checkpoints.variables(network.state))


def opened(network: Network, workdir: Path) -> contextlib.closing[Checkpoints]:
    """The checkpoints of a training, which are closed at the end of the block; without any, InputError."""
    task = network.task
    if not (workdir / "checkpoints").is_dir():
        raise errors.InputError(f"{workdir} holds no checkpoints: train it again, or copy them there")
    return contextlib.closing(Checkpoints(workdir / "checkpoints", metric=task.best, maximise=task.maximise))


def restore(config: ConfigDict, workdir: Path, *, classes: int, best: bool = True) -> Network:
    """A trained network: the best state in workdir/checkpoints, or the last one."""
    network = build(config, classes=classes)
    with opened(network, workdir) as checkpoints:
        state, _ = checkpoints.restore(network.parallel.put_state(network.state), best=best)
    return network._replace(state=state)


def reopen(folder: Path, *, batch: int, best: bool = True) -> tuple[ConfigDict, Data, Network]:
    """A trained network with its config and its data, for batches of another size."""
    config = ConfigDict(stage.read(folder / "config.json"))
    config.batch = batch
    data = load_data(config)
    return config, data, restore(config, folder, classes=len(data.photos.whales), best=best)


def predict(network: Network, data: Data, rows: np.ndarray, *, batch: int) -> tuple[dict, dict[str, np.ndarray]]:
    """Metrics over `rows`, and predictions for each of them."""
    batches = loader.evaluation(data.examples, rows, batch=batch)
    return loop.evaluate(network.evaluate, network.state, batches, parallel=network.parallel)
