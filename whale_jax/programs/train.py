"""Trains one network on one view of the photos, for any task."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from whale_jax import calibration, errors, registry
from whale_jax.data import loader, right_whale, splits
from whale_jax.models import MODELS, growth
from whale_jax.programs import assembly, finished, stage
from whale_jax.programs.assembly import ANNOTATION, NAMING, Data, Network
from whale_jax.tasks.stn import chosen
from whale_jax.train import loop
from whale_jax.train import state as states
from whale_jax.train.checkpoint import Checkpoints

DEFAULTS = {
    "inputs": {"photos": "", "split": "", "view": "", "weights": ""},  # weights: of a training to begin with
    "begin": "exact",  # with weights of this network; "fitting": with those that fit; "grown": of a smaller one
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

ELSEWHERE = ("weights",)  # inputs that may be of other photos, and so of another split
SPECS = assembly.SPECS
BEGIN = ("exact", "fitting", "grown")
COPIES_PART = 0.01  # noise that a grown network's copies of channels begin with, as a share of their kernel's deviation
COLLAPSED = 0.1  # of embeddings: a mean distance below, of 1.4 if they were spread evenly


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Trains, keeps the best weights in workdir/checkpoints and returns the metrics of validation."""
    data = assembly.load_data(config)
    rows, validation = choose_rows(config, data)
    steps = max(1, round(config.epochs * len(rows) / config.batch))
    network = assembly.build(config, classes=len(data.photos.whales), steps=steps)
    if network.task.compared:
        comparable(config, data.photos.label[rows])
    if config.task.name == "stn":
        taught(config, data, rows)
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
        return assembly.measured(network._replace(state=state), data, asked, gallery=rows, batch=config.batch)[0]

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
    with assembly.opened(network, workdir) as checkpoints:
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


def comparable(config: ConfigDict, label: np.ndarray) -> None:
    """Raises InputError where no batch of photos of these whales would hold two of one whale and one of another."""
    most = np.bincount(label).max()
    if config.together < 2 or config.batch <= config.together or most < 2 or len(np.unique(label)) < 2:
        raise errors.InputError(
            f"the task {config.task.name!r} compares two photos of a whale with one of another, and batches of"
            f" {config.batch} with together = {config.together}, of {len(np.unique(label)):,} whales with at most"
            f" {most:,} photos each, hold no such three: set together to 2 or more and batch above it"
        )


def taught(config: ConfigDict, data: Data, rows: np.ndarray) -> None:
    """Raises InputError where a localizer is to learn from points and no photo to train on has any that are used."""
    used = rows[right_whale.annotated(data.photos, "points")[rows]]
    used = used[np.asarray(chosen(jnp.asarray(used), config.task.annotated))]
    if config.task.locating and not len(used):
        raise errors.InputError(
            f"the localizer's loss has the weight {config.task.locating:g}, and of the {len(rows):,} photos to train on"
            f" none has points that are used (task.annotated = {config.task.annotated:g}): annotate some, or set"
            " task.locating to 0"
        )


def final_metrics(
    network: Network, data: Data, rows: np.ndarray, config: ConfigDict, *, gallery: np.ndarray
) -> dict[str, float]:
    """Metrics of the last weights over `rows`; of whales also the log loss calibrated, each photo by other groups'."""
    found, said = assembly.measured(network, data, rows, gallery=gallery, batch=config.batch)
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
    registry.lookup("way to begin", dict.fromkeys(BEGIN), config.begin)
    parts = assembly.assemble(config, classes=2)
    size = jax.ShapeDtypeStruct((1, *config.size, 3), jnp.float32)
    jax.eval_shape(lambda key, x: parts.model.init(key, x, train=False), jax.random.key(0), size)


def begin(network: Network, folder: Path, config: ConfigDict, data: Data, *, unseen: np.ndarray) -> Network:
    """A network that begins with the best weights of the training in `folder`, in the way `config.begin`.

    Another architecture or other whales raise InputError, as does a training that has seen photos of the rows `unseen`,
    which are validated on here.
    """
    there = finished.read(folder)
    if finished.made_from(there, data.photos):
        if there.result["split"] != data.split.hash:
            what = "was trained on these photos by another split: train it again by this one"
            raise errors.InputError(f"{folder} {what}")
        if both := len(np.intersect1d(seen_rows(there, data.split), unseen)):
            what = f"was trained on {both:,} of the {len(unseen):,} photos that are validated on here"
            raise errors.InputError(f"{folder} {what}: begin with one that holds out the same fold or part")
    whales = stage.read(folder / "whales.json")
    if whales and config.task.name in NAMING and config.begin != "fitting":
        sides = ({name: i for i, name in enumerate(names)} for names in (whales, data.photos.whales))
        if lines := errors.differences(*sides):
            what = f"{folder} names other whales, or in another order (- what it names, + these photos' list):"
            raise errors.InputError("\n".join([what, *errors.first(lines)]))
    with assembly.opened(network, folder) as checkpoints:
        if config.begin == "grown":
            return network._replace(state=grown(network, there, config, data, checkpoints))
        state, lines = checkpoints.variables(network.state, fitting=config.begin == "fitting")
    if lines:
        what = f"of {folder} was taken what fits, but for (- what it holds, + what begins anew):"
        logging.warning("%s", "\n".join([what, *errors.first(lines)]))
    return network._replace(state=state)


def grown(
    network: Network, there: finished.Stage, config: ConfigDict, data: Data, checkpoints: Checkpoints
) -> states.TrainState:
    """The first state of a network that says what the smaller one did that was trained in `there`."""
    old, new = (
        registry.build("model", MODELS, ConfigDict(spec), outputs=network.task.outputs, dtype=jnp.float32)
        for spec in (there.config["model"], config.model)
    )
    growth.check(old, new)
    rows = loader.evaluation(data.examples, np.arange(min(config.batch, len(data.photos.name))), batch=config.batch)
    images = network.task.prepare(states.stream(jnp.uint32(config.seed), "grow"), next(rows), False)["image"]
    shapes = jax.eval_shape(partial(old.init, train=False), jax.random.key(0), images[:1])
    like = network.state._replace(params=shapes["params"], batch_stats=shapes.get("batch_stats", {}))
    smaller, _ = checkpoints.variables(like)
    parts = [{"params": one.params, "batch_stats": one.batch_stats} for one in (smaller, network.state)]
    found = growth.grow(old, new, *jax.device_get(parts), images, seed=config.seed, noise=COPIES_PART)
    return network.state._replace(params=found["params"], batch_stats=found.get("batch_stats", {}))
