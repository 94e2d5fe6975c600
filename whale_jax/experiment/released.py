"""Released weights that a training begins with: those of a package, or of a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import logging
from flax import traverse_util
from ml_collections import ConfigDict

from whale_jax.evaluation import caveats
from whale_jax.experiment import build
from whale_jax.experiment.build import Network, Recipe
from whale_jax.models import layouts
from whale_jax.runtime import errors, hosts
from whale_jax.train import pretrained


class Weights(NamedTuple):
    """Released weights that a training begins with.

    Attributes:
        leaves: path among the variables -> array; none where the training begins from nothing.
        report: what result.json says of them.
        caveats: what must be known where they are wanted and not there.
    """

    leaves: Mapping[tuple[str, ...], np.ndarray] = {}
    report: Mapping[str, Any] = {}
    caveats: Sequence[str] = ()


def check(config: ConfigDict) -> None:
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


def files(config: ConfigDict) -> dict[str, str]:
    """{"pretrained": SHA-256 of the file that a training begins with, or "missing"}; {} where it begins with none."""
    if not config.pretrained:
        return {}
    path = _file(config)
    present = hosts.agree(path is not None)  # or all begin from nothing
    return {"pretrained": pretrained.checksum(path) if present else "missing"}


def load(config: ConfigDict, recipe: Recipe) -> Weights:
    """The released weights that `config.pretrained` names, none of which are in a network yet; nothing is compiled.

    Where the package that has them is not installed, a warning says what that costs.

    Raises:
        InputError: a file that cannot be read, or of another network.
    """
    if not config.pretrained:
        return Weights()
    path = _file(config)
    if not hosts.agree(path is not None):  # all begin alike
        caveat = caveats.without_pretrained(config.model.name, remedy=pretrained.INSTALL)
        logging.warning("%s", caveat)
        return Weights(caveats=[caveat])
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
    return Weights(fit.leaves, {"pretrained": report})


def missing(config: ConfigDict) -> list[str]:
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


def _file(config: ConfigDict) -> Path | None:
    """The file of weights that `config.pretrained` means for the config's model, see `pretrained.locate`."""
    model = build.model(config.model, outputs=1)
    return pretrained.locate(config.pretrained, variant=getattr(model, "variant", ""))
