"""Initial weights of a training: released ones, those of another training, all or where they fit, or grown ones."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from flax import traverse_util
from ml_collections import ConfigDict

from whale_jax.data import splits
from whale_jax.evaluation import caveats
from whale_jax.experiment import build, restore, rows
from whale_jax.experiment.build import Network, Recipe
from whale_jax.experiment.dataset import Data
from whale_jax.models import growth, layouts
from whale_jax.runtime import errors, hosts
from whale_jax.train import pretrained
from whale_jax.train import state as states
from whale_jax.train.checkpoint import Checkpoints
from whale_jax.workflow import finished_runs, json_files

MODES = ("exact", "partial", "grown")
COPY_NOISE = 0.01  # of a grown network's copies of channels, as a share of their kernel's deviation


class Source(NamedTuple):
    """Where initial weights come from.

    Attributes:
        folder: of a finished training.
        mode: one of MODES.
    """

    folder: Path
    mode: str


class Released(NamedTuple):
    """Released weights that a training begins with.

    Attributes:
        leaves: path among the variables -> array; none where the training begins from nothing.
        report: what result.json says of them.
        caveats: what must be known where they are wanted and not there.
    """

    leaves: Mapping[tuple[str, ...], np.ndarray] = {}
    report: Mapping[str, Any] = {}
    caveats: Sequence[str] = ()


def network(
    recipe: Recipe, source: Source | None, *, data: Data, train: np.ndarray, valid: np.ndarray, steps: int
) -> Network:
    """The network before the first step, with the weights that it begins with.

    Args:
        recipe: of the network.
        source: of its weights; None draws them.
        data: what it is trained on.
        train, valid: (n,) rows that are trained on, and validated on.
        steps: of the training.

    Raises:
        InputError: weights of other whales or another architecture, or that have seen photos which are validated on.
    """
    if source is None:
        return build.network(recipe, steps=steps)
    check(source, recipe, data=data, valid=valid)
    network = build.network(recipe, steps=steps)
    network = network._replace(state=network.parallel.put_state(network.state))
    return load(network, source, pictures=partial(pictures, recipe, data, rows=train))


def check(source: Source, recipe: Recipe, *, data: Data, valid: np.ndarray) -> None:
    """Raises InputError where a training is not to begin with the weights in `source`.

    They are of other whales, or of a network that this one did not grow from, or have seen photos of the (n,) rows
    `valid`, which are validated on here.
    """
    folder = source.folder
    training = finished_runs.read(folder)
    if (program := training.result["program"]) != "train":
        message = f"was made by {program!r}: name the folder of a training, such as PIPELINE/classifier"
        raise errors.InputError(f"{folder} {message}")
    if finished_runs.trained_on(training, data.photos):
        if training.result["split"] != data.split.hash:
            message = f"{folder} was trained on these photos by another split: train it again by this one"
            raise errors.InputError("\n".join([message, *split_differences(training, data)]))
        if shared := len(np.intersect1d(rows.learned_by(training, data.split), valid)):
            message = f"was trained on {shared:,} of the {len(valid):,} photos that are validated on here"
            raise errors.InputError(f"{folder} {message}: begin with one that holds out the same fold or subfold")
    else:
        rows.warn_of_names(training, data.photos.name[valid])
    whales = json_files.read(folder / "whales.json")
    new_head = source.mode == "partial" and len(whales or ()) != len(data.photos.whales)  # whose shape does not fit
    if whales and recipe.task.names_whales and not new_head:
        sides = ({name: i for i, name in enumerate(names)} for names in (whales, data.photos.whales))
        if lines := errors.differences(*sides):
            message = f"{folder} names other whales, or in another order (- what it names, + these photos' list):"
            raise errors.InputError("\n".join([message, *errors.first(lines)]))
    if source.mode == "grown":
        smaller = build.model(ConfigDict(training.config["model"]), outputs=recipe.task.outputs)
        growth.check(smaller, recipe.model.clone(dtype=jnp.float32))


def check_released(config: ConfigDict) -> None:
    """Raises InputError where `config.pretrained` is not for the model, no file, or not the only initial weights."""
    if not config.pretrained:
        return
    if config.inputs.weights:
        message = "inputs.weights and config.pretrained both say what the training begins with: leave one of them empty"
        raise errors.InputError(message)
    if not getattr(build.model(config.model, outputs=1), "pretrained", {}):
        message = "says of no released weights what they fill: leave config.pretrained empty, or take 'efficientnet'"
        raise errors.InputError(f"the model {config.model.name!r} {message}")
    _file(config)


def released_files(config: ConfigDict) -> dict[str, str]:
    """{"pretrained": SHA-256 of the file that a training begins with, or "missing"}; {} where it begins with none."""
    if not config.pretrained:
        return {}
    path = _file(config)
    present = hosts.agree(path is not None)  # or all begin from nothing
    return {"pretrained": pretrained.checksum(path) if present else "missing"}


def released(config: ConfigDict, recipe: Recipe) -> Released:
    """The released weights that `config.pretrained` names, none of which are in a network yet; nothing is compiled.

    Where the package that has them is not installed, a warning says what that costs.

    Raises:
        InputError: a file that cannot be read, or of another network.
    """
    if not config.pretrained:
        return Released()
    path = _file(config)
    if not hosts.agree(path is not None):  # all begin alike
        caveat = caveats.without_pretrained(config.model.name, remedy=pretrained.INSTALL)
        logging.warning("%s", caveat)
        return Released(caveats=[caveat])
    variables = build.shapes(recipe)[1]
    fit = layouts.fit(variables, pretrained.read(path), modules=recipe.model.pretrained)
    report = {
        "source": config.pretrained,
        "file": path.name,
        "sha256": pretrained.checksum(path),
        "loaded": len(fit.leaves),
        "parameters": sum(array.size for (kind, *_), array in fit.leaves.items() if kind == "params"),
        "skipped": fit.skipped,
        "fresh": fit.fresh,
    }
    logging.info("%s fills %d arrays; %s begin anew", path.name, len(fit.leaves), ", ".join(fit.fresh) or "none")
    return Released(fit.leaves, {"pretrained": report})


def without_released(config: ConfigDict) -> list[str]:
    """What must be known where the package with the weights that `config.pretrained` wants is not installed."""
    if not config.pretrained or _file(config):
        return []
    return [caveats.without_pretrained(config.model.name, remedy=pretrained.INSTALL)]


def fill(network: Network, leaves: Mapping[tuple[str, ...], np.ndarray]) -> Network:
    """A network before its first step, with (..., n) arrays in the place of some of its variables."""
    state = network.state
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    filled = traverse_util.unflatten_dict({**traverse_util.flatten_dict(variables), **leaves})
    return network._replace(state=state._replace(**filled)) if leaves else network


def split_differences(training: finished_runs.Stage, data: Data) -> list[str]:
    """How the split of a finished training differs from these photos' own, line by line; none where it is gone."""
    try:
        split = splits.load(Path(training.config["inputs"]["split"]), data.photos)
    except errors.InputError:
        return []
    lines = errors.differences(splits.summary(split), splits.summary(data.split))
    moved = int((split.fold != data.split.fold).sum())
    return [*lines, f"{moved:,} of {len(split.fold):,} photos are in another fold"]


def load(network: Network, source: Source, *, pictures: Callable[[], jax.Array]) -> Network:
    """A network that begins with the best weights of a finished training.

    Another architecture raises InputError, line by line.

    Args:
        network: with its state on the devices.
        source: of the weights.
        pictures: of the training, (B, height, width, 3): what a grown network's insertions are measured on.
    """
    config = ConfigDict(finished_runs.read(source.folder).config)
    task = build.task_of(config)
    with restore.checkpoints(source.folder, maximise=task.maximise) as saved:
        if source.mode == "grown":
            old = build.model(config.model, outputs=network.task.outputs)
            return network._replace(state=grow(network, old, saved=saved, pictures=pictures()))
        state, lines = saved.variables(network.state, partial=source.mode == "partial")
    if lines:
        message = (
            f"the weights of {source.folder} are taken where they fit, but not here (- its own, + what begins anew):"
        )
        logging.warning("%s", "\n".join([message, *errors.first(lines)]))
    return network._replace(state=state)


def pictures(recipe: Recipe, data: Data, *, rows: np.ndarray) -> jax.Array:
    """(B, height, width, 3) inputs of a network, of a batch drawn from some rows."""
    batch = data.examples[np.random.default_rng(recipe.seed).permutation(rows)[: recipe.batch]]
    return recipe.task.prepare(states.stream(jnp.uint32(recipe.seed), "grow"), batch, False)["image"]


def grow(network: Network, old: nn.Module, *, saved: Checkpoints, pictures: jax.Array) -> states.TrainState:
    """The first state of a network that computes what a smaller one did, from the checkpoints of that.

    What it inserts is measured on (B, height, width, 3) `pictures`.
    """
    shapes = jax.eval_shape(partial(old.init, train=False), jax.random.key(0), pictures[:1])
    like = network.state._replace(params=shapes["params"], batch_stats=shapes.get("batch_stats", {}))
    smaller, _ = saved.variables(like)
    variables, fresh = jax.device_get(
        [{"params": state.params, "batch_stats": state.batch_stats} for state in (smaller, network.state)]
    )
    new, seed = network.model.clone(dtype=jnp.float32), int(network.state.seed)
    grown = growth.grow(old, new, variables=variables, fresh=fresh, images=pictures, seed=seed, noise=COPY_NOISE)
    return network.state._replace(params=grown["params"], batch_stats=grown.get("batch_stats", {}))


def _file(config: ConfigDict) -> Path | None:
    """The file of weights that `config.pretrained` means for the config's model, see `pretrained.locate`."""
    model = build.model(config.model, outputs=1)
    return pretrained.locate(config.pretrained, variant=getattr(model, "variant", ""))
