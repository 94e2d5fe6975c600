"""Training a network on its data, and measuring it on the way and at the end."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import logging

from whale_jax.data import loader, splits
from whale_jax.evaluation import calibration
from whale_jax.experiment import prediction
from whale_jax.experiment.build import Network
from whale_jax.experiment.dataset import Data
from whale_jax.experiment.rows import Holdout
from whale_jax.runtime import errors
from whale_jax.train import loop

COLLAPSED = 0.1  # of embeddings: a mean distance below, of 1.4 if they were spread evenly


def fit(
    network: Network,
    data: Data,
    *,
    plan: loop.Plan,
    batches: Callable[[int], loader.Example],
    train: np.ndarray,
    subsets: Mapping[str, np.ndarray],
    workdir: Path,
    checkpoints: Path,
) -> tuple[Network, dict[str, Any]]:
    """Trains a network.

    Args:
        network: at its first step.
        data: what it is measured on.
        plan: how long, and what is done on the way.
        batches: step -> batch on the host.
        train: (n,) rows that are trained on, the gallery of a pairwise task.
        subsets: rows that are measured at every evaluation, by what the log calls them; "valid" chooses the best.
        workdir: for logs.
        checkpoints: where they are kept.

    Returns:
        The network with its last state, and what `loop.fit` says of the training.
    """

    def measure(state: Any, rows: np.ndarray) -> dict[str, float]:
        trained = network._replace(state=state)
        return prediction.evaluate(trained, data, rows=rows, gallery=train, batch=plan.batch)[0]

    state, result = loop.fit(
        network.state,
        network.train,
        plan=plan,
        parallel=network.parallel,
        training=batches,
        measures={name: partial(measure, rows=rows) for name, rows in subsets.items()},
        workdir=workdir,
        checkpoints=checkpoints,
        title=workdir.name,
    )
    return network._replace(state=state), result


def final_metrics(
    network: Network, data: Data, *, train: np.ndarray, valid: np.ndarray, holdout: Holdout, batch: int
) -> dict[str, float]:
    """Metrics of the last weights over the (n,) rows `valid`, {} without any.

    Of whales also the log loss calibrated, each photo by other groups' photos.
    """
    if not len(valid):
        return {}
    metrics, predictions = prediction.evaluate(network, data, rows=valid, gallery=train, batch=batch)
    if metrics.get("spread", 2) < COLLAPSED:
        message = "the embeddings' mean distance is %.3f: the network has collapsed; begin with a classifier's weights"
        logging.warning(message, metrics["spread"])
    group, label = data.split.group[valid], data.photos.label[valid]
    if network.task.names_whales and holdout.num_subfolds == 0 and len(np.unique(group)) > 1:
        if "logits" not in predictions:
            raise errors.InputError("a task that names whales must predict 'logits' (see whale_jax/tasks/task.py)")
        prior = splits.prior(data.photos, data.split, fold=holdout.fold)
        p = np.asarray(jax.nn.softmax(predictions["logits"]), np.float64)
        p = calibration.cross_fit(calibration.fit, p, label=label, prior=prior, group=group)
        metrics["calibrated"] = float(-np.log(p[np.arange(len(valid)), label]).mean())
    return metrics
