"""Trains one network a part of the photos and predicts each photo by the network that has not seen it.

What a later stage trains on then has the errors that it will meet on new photos. Unlabelled photos were seen by
no network: for them the predictions of all are averaged.
"""

import string
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from whale_jax import geometry
from whale_jax.data import loader, predictions, right_whale
from whale_jax.evaluation import caveats, metrics, tta
from whale_jax.experiment import build, selection
from whale_jax.experiment.build import Data, Network
from whale_jax.programs import train
from whale_jax.runtime import errors, hosts, progress, registry
from whale_jax.workflow import finished_runs, json_files, renamed, stage
from whale_jax.workflow.program import Program

DEFAULTS = {
    **{key: value for key, value in train.DEFAULTS.items() if key != "subfold"},
    "fold": -1,  # held out from all subfolds; -1 is none
    "num_subfolds": 2,
    "tta": {},  # of test-time augmentation, see tta.grid
    "average": "mean",
    "weights": "last",  # or "best": on the very photos that they then predict, if only of a few evaluations
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/predictions.npz: every photo's points or box in photo pixels, NaN where it has no picture."""
    data = build.load_data(config)
    build.expect_sharp(config, data.view.images.shape[1:3])
    parts = [subfold_config(config, part) for part in range(config.num_subfolds)]
    results = [stage.run(one, renamed.subfold_folder(workdir, part)) for part, one in enumerate(parts)]
    return {
        "split": data.split.hash,
        "fold": selection.held_out(config),
        "photos": data.photos.digest,
        "device": results[0]["device"],
        **(hosts.once(predicted, config, workdir, data) or {}),
        "single_warp": [result["metrics"] for result in results],
        "training_seconds": sum(result["training"]["seconds"] for result in results),
        "images_per_second": float(np.mean([result["training"]["images_per_second"] for result in results])),
    }


def predicted(config: ConfigDict, workdir: Path, data: Data) -> dict[str, Any]:
    """Writes workdir/predictions.npz, and returns what `measured` does."""
    found = answer(config, workdir, data)
    predictions.save(workdir, data.photos, arrays=found)
    return measured(found, data.photos)


def answer(config: ConfigDict, folder: Path, data: Data) -> dict[str, np.ndarray]:
    """Predictions for all N photos, each the mean over the networks in `folder` that have not seen it.

    Args:
        config: of the cross-fit; `batch`, `warps`, `average` and `weights` are those of the predictions.
        folder: of a finished cross-fit, or of one network.
        data: photos; where they have no split, no network has seen any of them.

    Returns:
        (N, ...) of each kind of prediction, NaN where a photo has no picture or every network has seen it.
    """
    usable = data.view.pictured
    size, folders = len(usable), networks(folder) or [folder]
    total, count = {}, np.zeros(size)
    for one in folders:
        whales = json_files.read(one / "whales.json") or ()
        made = ConfigDict({**renamed.read_config(one / "config.json"), "batch": config.batch})
        build.expect_sharp(ConfigDict({**made, "tta": config.tta}), data.view.images.shape[1:3])
        network = build.restore(made, one, classes=len(whales), best=build.WEIGHTS[config.weights])
        unseen = usable.copy()
        if data.split:
            unseen[selection.seen(finished_runs.read(one), data.split)] = False
        rows = np.flatnonzero(unseen)
        for name, value in predict(network, data, rows, config=config).items():
            total.setdefault(name, np.zeros((size, *value.shape[1:])))[rows] += value
        count[rows] += 1
    if len(folders) > 1:
        total.pop("features", None)  # every network has features of its own, and their mean is of nothing
    with np.errstate(invalid="ignore"):
        return {name: value / count.reshape(-1, *[1] * (value.ndim - 1)) for name, value in total.items()}


def check(config: ConfigDict) -> None:
    """Raises InputError for whatever in the config is wrong in itself."""
    if config.task.name == "embed":
        raise errors.InputError("embeddings of two networks cannot be compared: train one, with the program 'train'")
    if config.inputs.labels or config.task.name == "simclr":
        what = "leaves nothing that no network has seen, which is what a cross-fit is for: use the program 'train'"
        raise errors.InputError(f"a training on {'guessed labels' if config.inputs.labels else 'every photo'} {what}")
    train.check(subfold_config(config, 0))
    tta.grid(config.tta, (2, 2), size=(2, 2))
    registry.lookup("average", tta.AVERAGES, config.average)
    registry.lookup("weights", build.WEIGHTS, config.weights)


def subfold_config(config: ConfigDict, part: int) -> ConfigDict:
    """The config of the network that is trained on all parts but `part`; it begins as that part of a cross-fit did."""
    own = {key: config[key] for key in train.DEFAULTS if key in config}
    weights = config.inputs.weights
    if weights and (there := networks(Path(weights))):
        own["inputs"] = {**config.inputs, "weights": str(there[part % len(there)])}
    return stage.config("train", **{**own, "subfold": part})


def networks(folder: Path) -> list[Path]:
    """The folders of a cross-fit's networks, in order of subfold; none where it is no cross-fit."""
    folders = [*folder.glob("subfold*"), *folder.glob("part*")]
    return sorted(folders, key=lambda path: int(path.name.lstrip(string.ascii_letters)))


def predict(network: Network, data: Data, rows: np.ndarray, *, config: ConfigDict) -> dict[str, np.ndarray]:
    """Predictions for `rows`, averaged over the warps of test-time augmentation."""
    matrices = tta.grid(config.tta, data.view.images.shape[1:3], size=tuple(config.size))
    batches = loader.evaluation(data.examples, rows, batch=config.batch)
    with progress.bar(len(rows), what=f"predict by {len(matrices)} warps", unit="photos") as bar:
        return tta.predict(
            network.evaluate,
            network.state,
            batches=counted(batches, bar),
            matrices=matrices,
            put=network.parallel.put_batch,
            gather=network.parallel.gather,
            average=config.average,
        )


def counted(batches: Iterable[dict], bar: tqdm) -> Iterator[dict]:
    """The batches, of which a bar is told when they are done."""
    for batch in batches:
        yield batch
        bar.update(int(batch["mask"].sum()))


def measured(found: dict[str, np.ndarray], photos: right_whale.Photos) -> dict[str, Any]:
    """Metrics of predictions, of how many photos they are, and what must be known of them."""
    errors_of = score(found, photos)
    lost = caveats.of_points(errors_of["point_error_median"]) if "point_error_median" in errors_of else []
    return {"metrics": errors_of, "validated_on": int(scored(found, photos).sum()), "caveats": lost}


def scored(found: dict[str, np.ndarray], photos: right_whale.Photos) -> np.ndarray:
    """(N,) bool, whether a photo has the annotation that predictions are held against."""
    if "logits" in found:
        return right_whale.annotated(photos, "label") & np.isfinite(found["logits"]).all(1)
    kinds = [kind for kind in ("box", "points") if kind in found]
    return right_whale.annotated(photos, kinds[0]) if kinds else np.zeros(len(photos.name), bool)


def score(found: dict[str, np.ndarray], photos: right_whale.Photos) -> dict[str, float]:
    """Metrics of predictions over the annotated photos, {} if none is.

    A photo without points or a box is one that was not found; means of point errors are of those that have points, and
    metrics of logits of those that have logits.
    """
    known = scored(found, photos)
    if not known.any():
        return {}
    if "logits" in found:
        logits, label = found["logits"][known].astype(np.float32), photos.label[known]
        losses = {"log_loss": metrics.log_loss(logits, label, clip=metrics.KAGGLE_CLIP)}
        right = {f"top{k}": metrics.top_k(logits, label, k) for k in (1, 5)}
        return {name: float(values.mean()) for name, values in (losses | right).items()}
    name = "box" if "box" in found else "points"
    said, true = found[name][known], getattr(photos, name)[known]
    if name == "box":
        overlap = np.nan_to_num(geometry.iou(said, true))
        return {"iou": float(overlap.mean()), "iou>0.5": float((overlap > 0.5).mean())}
    error = np.asarray(metrics.point_error(said, true))
    near = {f"pck@{within}": float((error <= within).mean()) for within in (0.05, 0.1, 0.25)}
    return {"point_error": float(np.nanmean(error)), "point_error_median": float(np.nanmedian(error)), **near}


PROGRAM = Program(DEFAULTS, run, check=check, together=True, inputs_of_other_photos=("weights",), specs=build.SPECS)
