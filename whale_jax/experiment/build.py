"""From a config to a network that runs, with its data; and trained networks, opened again."""

import contextlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import optax
from etils import epath
from ml_collections import ConfigDict

from whale_jax import augment, geometry
from whale_jax.data import images, loader, right_whale, splits
from whale_jax.evaluation import retrieval
from whale_jax.models import MODELS
from whale_jax.runtime import errors, registry
from whale_jax.tasks import Task
from whale_jax.tasks.arcface import arcface
from whale_jax.tasks.bbox import bbox
from whale_jax.tasks.classify import classify
from whale_jax.tasks.embed import embed
from whale_jax.tasks.keypoints import keypoints
from whale_jax.tasks.simclr import simclr
from whale_jax.tasks.stn import stn
from whale_jax.train import loop, optim
from whale_jax.train import state as states
from whale_jax.train.checkpoint import Checkpoints
from whale_jax.train.parallel import Parallel, parallel
from whale_jax.train.step import make_eval_step, make_train_step
from whale_jax.workflow import finished_runs, renamed

TASKS = {
    "classify": classify,
    "arcface": arcface,
    "stn": stn,
    "embed": embed,
    "simclr": simclr,
    "bbox": bbox,
    "keypoints": keypoints,
}
SPECS = {
    "task": TASKS,
    "model": MODELS,
    "optimizer": optim.OPTIMIZERS,
}  # the keys that name what is built of their rest
WEIGHTS = {"best": True, "last": False}  # of a training that is done
ANNOTATION = {
    **dict.fromkeys(("classify", "arcface", "stn", "embed"), "label"),
    "bbox": "box",
    "keypoints": "points",
    "simclr": "",  # learns from every photo
}
SEE = 'see "Adding to it" in README.md'
NAMING = ("classify", "arcface", "stn")  # tasks whose outputs are whales


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


class Parts(NamedTuple):
    """What a config names: the task, the model, the optimiser, and the devices they run on."""

    task: Task
    model: nn.Module
    optimizer: optax.GradientTransformation
    parallel: Parallel


def load_data(config: ConfigDict) -> Data:
    """Photos, split and view that `config.inputs` names."""
    photos = right_whale.load(Path(config.inputs.photos))
    split = splits.load(Path(config.inputs.split), photos)
    view = images.load(Path(config.inputs.view))
    return Data(photos, split, view, loader.Examples(photos, view))


def task_of(config: ConfigDict, *, classes: int) -> Task:
    """What a config learns, of so many whales."""
    more = {"size": tuple(config.size)} | ({"classes": classes} if config.task.name in NAMING else {})
    return registry.build("task", TASKS, config.task, **more)


def assemble(config: ConfigDict, *, classes: int, steps: int = 1) -> Parts:
    """The parts of a network; every unknown name or key raises InputError here."""
    task = task_of(config, classes=classes)
    precision = registry.lookup("precision", {"float32": jnp.float32, "bfloat16": jnp.bfloat16}, config.precision)
    expect_network(config.model.name)
    model = registry.build("model", MODELS, config.model, outputs=task.outputs, dtype=precision)
    optimizer = registry.build("optimizer", optim.OPTIMIZERS, config.optimizer, steps=steps)
    if config.batch % config.accumulate:
        raise errors.InputError(f"config.batch = {config.batch} has no config.accumulate = {config.accumulate} parts")
    if task.compared and config.accumulate > 1:
        what = f"the task {config.task.name!r} compares the photos of a batch: they must go through at once"
        raise errors.InputError(f"{what}, with config.accumulate = 1")
    devices = parallel(config.parallel, config.devices, batch=config.batch // config.accumulate)
    return Parts(task, model, optimizer, devices)


def expect_sharp(config: ConfigDict, view: geometry.Size) -> None:
    """Raises InputError where a view of (height, width) has more pixels than a network can sample without loss.

    A shear adds a few percent, which are left out.

    Args:
        config: of a training, or of a cross-fit, which may scale at test time too.
        view: size of the pictures that the network is given.
    """
    augmented = augment.least_scale(augment.parse(config.task.get("augmentation", "")))
    smallest = min([augmented, *config.get("tta", {}).get("scale", ())])
    reduction = max(pixels / kept for pixels, kept in zip(view, config.size, strict=True)) / smallest
    if reduction > geometry.SHARP:
        height, width = (int(pixels * geometry.SHARP / reduction) for pixels in view)
        raise errors.InputError(
            f"a view of {view[0]} x {view[1]} pixels is sampled down {reduction:.2f} times to config.size ="
            f" {tuple(config.size)} where the scale is least ({smallest:g}), and above {geometry.SHARP:g} pixels are"
            f" passed over: cut a view of at most {height} x {width}, or let the augmentation shrink less"
        )


def expect_network(name: str) -> None:
    """Raises InputError where a model lacks what every network is told."""
    model = registry.lookup("model", MODELS, name)
    for kind, accepted, wanted in (
        ("has no attribute", inspect.signature(model).parameters, ("outputs", "dtype", "axis_name")),
        ("takes no argument", inspect.signature(model.__call__).parameters, ("train",)),
    ):
        if lacking := [attribute for attribute in wanted if attribute not in accepted]:
            raise errors.InputError(f"the model {name!r} {kind} {', '.join(lacking)}, which every network needs: {SEE}")


def expect_outputs(name: str, returned: Any, outputs: int) -> None:
    """Raises InputError where what a model returns for one picture, of shapes at least, is not what tasks read."""
    y, out = returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, None)
    if not isinstance(out, Mapping) or "features" not in out or y.shape != (1, outputs):
        what = f'(y, out), y of shape (batch, {outputs}) and out["features"] of shape (batch, any)'
        raise errors.InputError(f"the model {name!r} must return {what}: {SEE}")


def build(config: ConfigDict, *, classes: int, steps: int = 1) -> Network:
    """The network of a config at its first step."""
    task, model, optimizer, devices = assemble(config, classes=classes, steps=steps)
    step = {"accumulate": config.accumulate, "remat": config.remat, "groups": config.optimizer.get("groups", ())}
    return Network(
        task=task,
        state=states.create(model, optimizer, config.seed, tuple(config.size)),
        train=devices.train(make_train_step(model, task, optimizer, **step)),
        evaluate=devices.evaluate(make_eval_step(model, task)),
        parallel=devices,
    )


def opened(task: Task, workdir: Path) -> contextlib.closing[Checkpoints]:
    """The checkpoints of a training of that task, closed at the end of the block; without any, InputError."""
    folder = kept(renamed.read_config(workdir / "config.json") or {}, workdir)
    if not folder.is_dir():
        where = "" if folder.is_relative_to(workdir) else f" in {folder}"
        raise errors.InputError(f"{workdir} holds no checkpoints{where}: train it again, or copy them there")
    return contextlib.closing(Checkpoints(folder, maximise=task.maximise))


def kept(config: Mapping[str, Any], workdir: Path) -> epath.Path:
    """Where a training keeps its checkpoints: in its folder, or in a bucket under the folder's name."""
    root = epath.Path(config["bucket"]) / str(workdir).lstrip("/") if config.get("bucket") else epath.Path(workdir)
    return root / "checkpoints"


def restore(config: ConfigDict, workdir: Path, *, classes: int, best: bool = True) -> Network:
    """A trained network: the best state in workdir/checkpoints, or the last one."""
    apart = {"accumulate": 1, "remat": False, "devices": 0}  # of training alone; batches of it may be of any size
    network = build(ConfigDict({**config, **apart}), classes=classes)
    with opened(network.task, workdir) as checkpoints:
        state, _ = checkpoints.variables(network.parallel.put_state(network.state), best=best)
    return network._replace(state=state)


def reopen(folder: Path, *, batch: int, best: bool = True) -> tuple[ConfigDict, Data, Network]:
    """A trained network with its config and its data, for batches of another size."""
    config = ConfigDict(finished_runs.read(folder).config)
    config.batch = batch
    data = load_data(config)
    return config, data, restore(config, folder, classes=len(data.photos.whales), best=best)


def predict(network: Network, data: Data, rows: np.ndarray, *, batch: int) -> tuple[dict, dict[str, np.ndarray]]:
    """Metrics over `rows`, and predictions for each of them."""
    batches = loader.evaluation(data.examples, rows, batch=batch)
    return loop.evaluate(network.evaluate, network.state, batches, parallel=network.parallel)


def measured(
    network: Network, data: Data, rows: np.ndarray, *, gallery: np.ndarray, batch: int
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Metrics over `rows`, and predictions for each; of embeddings, by the nearest of the other rows of `gallery`.

    Rows of whales that those lack are left out: nobody could find them.
    """
    found, said = predict(network, data, rows, batch=batch)
    if network.task.compared:
        others, label = np.setdiff1d(gallery, rows), data.photos.label
        others = others[label[others] >= 0]
        if np.isin(label[rows], label[others]).any():
            known = predict(network, data, others, batch=batch)[1]["features"]
            labels = {"query_label": label[rows], "label": label[others]}
            found |= retrieval.score(said["features"], known, **labels, whales=len(data.photos.whales))
    return found, said
