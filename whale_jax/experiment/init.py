"""Where a training begins: with all the weights of another, with what fits of them, or with a smaller network's."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from whale_jax.data import splits
from whale_jax.experiment import build, selection
from whale_jax.experiment.build import NAMING, Data, Network
from whale_jax.models import MODELS, growth
from whale_jax.runtime import errors, registry
from whale_jax.train import state as states
from whale_jax.train.checkpoint import Checkpoints
from whale_jax.workflow import finished_runs, json_files

WAYS = ("exact", "partial", "grown")
COPIES_PART = 0.01  # noise that a grown network's copies of channels begin with, as a share of their kernel's deviation


def check(config: ConfigDict, data: Data, unseen: np.ndarray) -> None:
    """Raises InputError where a training is not to begin with the weights in `config.inputs.weights`.

    They are of other whales, or have seen photos of the rows `unseen`, which are validated on here, or of a network
    that this one did not grow from.
    """
    folder = Path(config.inputs.weights)
    there = finished_runs.read(folder)
    if there.result["program"] != "train":
        what = f"was made by {there.result['program']!r}: name the folder of a training, such as PIPELINE/classifier"
        raise errors.InputError(f"{folder} {what}")
    if finished_runs.made_from(there, data.photos):
        if there.result["split"] != data.split.hash:
            what = f"{folder} was trained on these photos by another split: train it again by this one"
            raise errors.InputError("\n".join([what, *other_split(there, data)]))
        if both := len(np.intersect1d(selection.seen(there, data.split), unseen)):
            what = f"was trained on {both:,} of the {len(unseen):,} photos that are validated on here"
            raise errors.InputError(f"{folder} {what}: begin with one that holds out the same fold or part")
    whales = json_files.read(folder / "whales.json")
    fits = config.init == "partial" and len(whales or ()) != len(data.photos.whales)  # then the head does not
    if whales and config.task.name in NAMING and not fits:
        sides = ({name: i for i, name in enumerate(names)} for names in (whales, data.photos.whales))
        if lines := errors.differences(*sides):
            what = f"{folder} names other whales, or in another order (- what it names, + these photos' list):"
            raise errors.InputError("\n".join([what, *errors.first(lines)]))
    if config.init == "grown":
        growth.check(*(model_of(spec) for spec in (there.config["model"], config.model)))


def other_split(there: finished_runs.Stage, data: Data) -> list[str]:
    """How the split that a finished training went by differs from these photos' own; nothing where it is gone."""
    try:
        own = splits.load(Path(there.config["inputs"]["split"]), data.photos)
    except errors.InputError:
        return []
    lines = errors.differences(splits.summary(own), splits.summary(data.split))
    moved = int((own.fold != data.split.fold).sum())
    return [*lines, f"{moved:,} of {len(own.fold):,} photos are in another fold"]


def model_of(spec: Mapping[str, Any], outputs: int = 1) -> nn.Module:
    """The network that a config calls `model`, in float32."""
    return registry.build("model", MODELS, ConfigDict(spec), outputs=outputs, dtype=jnp.float32)


def load(network: Network, config: ConfigDict, data: Data, learned: np.ndarray) -> Network:
    """A network that begins with the best weights of another training, in the way `config.init`.

    Another architecture raises InputError, line by line.
    """
    folder = Path(config.inputs.weights)
    there = ConfigDict(finished_runs.read(folder).config)
    network = network._replace(state=network.parallel.put_state(network.state))
    with build.opened(build.task_of(there, classes=2), folder) as checkpoints:  # by what was best there
        if config.init == "grown":
            old = model_of(there.model, network.task.outputs)
            return network._replace(state=grown(network, old, config, data, learned, checkpoints))
        state, lines = checkpoints.variables(network.state, partial=config.init == "partial")
    if lines:
        what = f"of {folder} was taken what fits, but for (- what it holds, + what begins anew):"
        logging.warning("%s", "\n".join([what, *errors.first(lines)]))
    return network._replace(state=state)


def grown(
    network: Network, old: nn.Module, config: ConfigDict, data: Data, learned: np.ndarray, checkpoints: Checkpoints
) -> states.TrainState:
    """The first state of a network that says what the smaller one did, `old`, whose checkpoints are given."""
    drawn = np.random.default_rng(config.seed).permutation(learned)[: config.batch]
    batch = data.examples[drawn]
    images = network.task.prepare(states.stream(jnp.uint32(config.seed), "grow"), batch, False)["image"]
    shapes = jax.eval_shape(partial(old.init, train=False), jax.random.key(0), images[:1])
    like = network.state._replace(params=shapes["params"], batch_stats=shapes.get("batch_stats", {}))
    smaller, _ = checkpoints.variables(like)
    parts = [{"params": one.params, "batch_stats": one.batch_stats} for one in (smaller, network.state)]
    new = model_of(config.model, network.task.outputs)
    found = growth.grow(old, new, *jax.device_get(parts), images, seed=config.seed, noise=COPIES_PART)
    return network.state._replace(params=found["params"], batch_stats=found.get("batch_stats", {}))
