"""The networks of a finished training, applied to another view, of the same photos or of others."""

from collections.abc import Sequence
from pathlib import Path

from whale_jax.data import splits
from whale_jax.data.right_whale import Photos
from whale_jax.data.splits import Split
from whale_jax.experiment import prediction, restore, rows
from whale_jax.experiment.dataset import Data
from whale_jax.experiment.prediction import TTA
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs, json_files, renamed
from whale_jax.workflow.finished_runs import Stage


def predict(training: Stage, data: Data, *, batch: int) -> prediction.Predictions:
    """(N, ...) predictions for all photos by the networks of a training that have not seen them.

    Points and boxes are in pixels of the photos. Columns of logits are the photos' whales, or the
    network's where the photos name none; a whale that the network does not know raises InputError.
    """
    whales = whales_of(training)
    order = columns(whales, data.photos.whales, folder=training.folder)
    recipe = {"tta": {}, "average": "mean", "weights": "best", **training.config}
    arrays = prediction.out_of_fold(
        training.folder,
        data,
        batch=batch,
        augmentation=TTA(recipe["tta"], recipe["average"]),
        best=restore.WEIGHTS[recipe["weights"]],
    )
    if whales:
        arrays["logits"] = arrays["logits"][:, order]
    return arrays


def whales_of(training: Stage) -> Sequence[str]:
    """The whales that the networks of a training tell apart; none where they name nobody."""
    member = (renamed.subfold_folders(training.folder) or [training.folder])[0]
    return json_files.read(member / "whales.json") or ()


def split_of(training: Stage, photos: Photos) -> Split | None:
    """The split by which a stage was trained on these photos; None where it was trained on others.

    Photos that go by names of those it was trained on are pointed at: they may be the same.
    """
    if finished_runs.trained_on(training, photos):
        return splits.load(Path(training.config["inputs"]["split"]), photos)
    rows.warn_of_names(training, photos.name)
    return None


def columns(network_whales: Sequence[str], whales: Sequence[str], *, folder: Path) -> list[int]:
    """The column of each whale among those that the network of `folder` knows; all columns, where none is named."""
    if unknown := [whale for whale in whales if network_whales and whale not in network_whales]:
        few = ", ".join(unknown[:10])
        raise errors.InputError(f"{folder} was not trained on {len(unknown)} of the whales asked for, such as {few}")
    return [network_whales.index(whale) for whale in (whales or network_whales) if network_whales]
