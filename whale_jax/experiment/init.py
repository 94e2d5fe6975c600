"""Initial weights of a training: drawn ones, those of another training, all or where they fit, or grown ones."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from whale_jax.data import splits
from whale_jax.experiment import build, restore, rows
from whale_jax.experiment.build import Network, Recipe
from whale_jax.experiment.dataset import Data
from whale_jax.models import growth
from whale_jax.runtime import errors
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
            raise errors.InputError(errors.listed(message, lines))
    if source.mode == "grown":
        smaller = build.model(ConfigDict(training.config["model"]), outputs=recipe.task.outputs)
        growth.check(smaller, recipe.model.clone(dtype=jnp.float32))


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
    with restore.checkpoints(source.folder) as saved:
        if source.mode == "grown":
            config = ConfigDict(finished_runs.read(source.folder).config)
            old = build.model(config.model, outputs=network.task.outputs)
            return network._replace(state=grow(network, old, saved=saved, pictures=pictures()))
        state, lines = saved.variables(network.state, partial=source.mode == "partial")
    if lines:
        message = (
            f"the weights of {source.folder} are taken where they fit, but not here (- its own, + what begins anew):"
        )
        logging.warning("%s", errors.listed(message, lines))
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
