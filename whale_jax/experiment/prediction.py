"""What trained networks say of photos, and how good it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from whale_jax.data import loader, right_whale, splits
from whale_jax.evaluation import caveats, tta
from whale_jax.experiment import dataset, restore, rows
from whale_jax.experiment.build import Network
from whale_jax.experiment.dataset import Data
from whale_jax.runtime import errors, progress, registry
from whale_jax.tasks import Task
from whale_jax.train import loop
from whale_jax.workflow import finished_runs, json_files, renamed

Predictions = dict[str, np.ndarray]


class TTA(NamedTuple):
    """Test-time augmentation: the grid of warps, see `tta.grid`, and how their predictions are averaged."""

    grid: Mapping[str, Sequence[float]] = {}
    average: str = "mean"


def predict(network: Network, data: Data, *, rows: np.ndarray, batch: int) -> tuple[dict[str, float], Predictions]:
    """Metrics over (n,) `rows`, and (n, ...) predictions for them."""
    batches = loader.evaluation(data.examples, rows, batch=batch)
    return loop.evaluate(network.evaluate, network.state, batches=batches, parallel=network.parallel)


def predict_augmented(network: Network, data: Data, *, rows: np.ndarray, batch: int, augmentation: TTA) -> Predictions:
    """(n, ...) predictions for (n,) `rows`, averaged over the warps of test-time augmentation (post, section 4.3.1).

    A task predicts points in pixels of the photo, whatever matrix made the network's input. So the task maps them back,
    and only the averaging is done here. Raises InputError where there is no row.
    """
    combine = registry.lookup("average", tta.AVERAGES, augmentation.average)
    matrices = tta.grid(augmentation.grid, data.stored_size, size=network.size)
    devices, averaged = network.parallel, []
    with progress.bar(len(rows), title=f"predict by {len(matrices)} warps", unit="photos") as bar:
        for examples in loader.evaluation(data.examples, rows, batch=batch):
            mask, photos, answers = examples["mask"] > 0, devices.put_batch(examples), []
            for matrix in matrices:
                warp = devices.put_batch({"warp": np.broadcast_to(matrix, (len(mask), 3, 3))})
                answers.append(devices.gather(network.evaluate(network.state, {**photos, **warp})[1]))
            averaged.append({name: combine([answer[name][mask] for answer in answers], axis=0) for name in answers[0]})
            bar.update(int(mask.sum()))
    if not averaged:
        raise errors.InputError("no photo to predict")
    return {name: np.concatenate([part[name] for part in averaged]) for name in averaged[0]}


def evaluate(
    network: Network, data: Data, *, rows: np.ndarray, gallery: np.ndarray, batch: int
) -> tuple[dict[str, float], Predictions]:
    """Metrics over (n,) `rows`, and (n, ...) predictions; of a pairwise task, by the other rows of `gallery`."""
    metrics, predictions = predict(network, data, rows=rows, batch=batch)
    if not network.task.pairwise or not len(rows):
        return metrics, predictions
    labelled = np.setdiff1d(gallery[data.photos.label[gallery] >= 0], rows)
    gallery_predictions = predict(network, data, rows=labelled, batch=batch)[1]
    scattered = scatter(predictions, rows, count=len(data.photos.name))
    for name, values in gallery_predictions.items():
        scattered[name][labelled] = values
    return metrics | network.task.score(scattered, data.photos, rows=rows), predictions


def scatter(predictions: Predictions, rows: np.ndarray, *, count: int) -> Predictions:
    """(count, ...) arrays with the predictions of some rows in their places, and NaN elsewhere."""
    scattered = {name: np.full((count, *value.shape[1:]), np.nan, value.dtype) for name, value in predictions.items()}
    for name, value in predictions.items():
        scattered[name][rows] = value
    return scattered


def out_of_fold(folder: Path, data: Data, *, batch: int, augmentation: TTA, best: bool) -> Predictions:
    """Predictions for all N photos, each the mean over the networks in `folder` that have not seen it.

    Args:
        folder: of a finished cross-fit, or of one network.
        data: photos; where they have no split, no network has seen any of them.
        batch: photos at once.
        augmentation: at test time.
        best: whether the best weights are taken, or the last.

    Returns:
        (N, ...) of each kind of prediction, NaN where a photo has no picture or every network has seen it.
    """
    pictured = data.view.pictured
    total, count, folders = {}, np.zeros(len(pictured)), renamed.subfold_folders(folder) or [folder]
    for member in folders:
        whales = json_files.read(member / "whales.json") or ()
        config = {**renamed.read_config(member / "config.json"), "batch": batch}
        dataset.expect_sharp(data.stored_size, training=config, tta=augmentation.grid)
        network = restore.network(config, member, classes=len(whales), best=best)
        unseen = pictured.copy()
        if data.split:
            unseen[rows.learned_by(finished_runs.read(member), data.split)] = False
        unseen_rows = np.flatnonzero(unseen)
        predictions = predict_augmented(network, data, rows=unseen_rows, batch=batch, augmentation=augmentation)
        for name, value in predictions.items():
            total.setdefault(name, np.zeros((len(pictured), *value.shape[1:])))[unseen_rows] += value
        count[unseen_rows] += 1
    if len(folders) > 1:
        total.pop("features", None)  # every network has features of its own, and their mean is of nothing
    with np.errstate(invalid="ignore"):
        return {name: value / count.reshape(-1, *[1] * (value.ndim - 1)) for name, value in total.items()}


def summary(
    task: Task, predictions: Predictions, *, photos: right_whale.Photos, split: splits.Split | None = None
) -> dict[str, Any]:
    """Metrics of (N, ...) predictions, the number of photos that they are of, and what must be known of them.

    Whales that a split keeps out of every training are none that a network could name.
    """
    scored = right_whale.annotated(photos, task.annotation) if task.annotation else np.zeros(len(photos.name), bool)
    if task.names_whales:
        scored &= np.isfinite(predictions["logits"]).all(1)
        scored[splits.unknown_rows(split) if split else []] = False
    metrics = task.score(predictions, photos, rows=np.flatnonzero(scored))
    doubts = caveats.of_points(metrics["point_error_median"]) if "point_error_median" in metrics else []
    return {"metrics": metrics, "validated_on": int(scored.sum()) if metrics else 0, "caveats": doubts}
