"""Trained networks, opened again: for predictions, and for trainings that begin with their weights."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from etils import epath
from ml_collections import ConfigDict

from whale_jax.data import right_whale
from whale_jax.experiment import build, dataset, rows
from whale_jax.experiment.build import Network
from whale_jax.experiment.dataset import Data
from whale_jax.experiment.rows import Holdout
from whale_jax.runtime import errors
from whale_jax.train import state as states
from whale_jax.train.checkpoint import Checkpoints
from whale_jax.workflow import finished_runs, renamed

# In the names of a model's parameters, of what comes after all its layers; those of a localizer come before them.
HEAD = re.compile(r"(?<!/localizer)/(head|\w+Head_0)/")
WEIGHTS = {"best": True, "last": False}  # of a training that is done


class Trained(NamedTuple):
    """A trained network, with what it was trained on and what it has not seen."""

    network: Network
    data: Data
    holdout: Holdout


def checkpoint_folder(workdir: Path, *, bucket: str = "") -> epath.Path:
    """Where a training keeps its checkpoints: in its folder, or in a bucket under the folder's name."""
    root = epath.Path(bucket) / str(workdir).lstrip("/") if bucket else epath.Path(workdir)
    return root / "checkpoints"


def checkpoints(workdir: Path) -> contextlib.closing[Checkpoints]:
    """The checkpoints in the folder of a training, closed at the end of the block; without any, InputError."""
    config = renamed.read_config(workdir / "config.json") or {}
    folder = checkpoint_folder(workdir, bucket=config.get("bucket", ""))
    if not folder.is_dir():
        place = "" if folder.is_relative_to(workdir) else f" in {folder}"
        raise errors.InputError(f"{workdir} holds no checkpoints{place}: train it again, or copy them there")
    return contextlib.closing(Checkpoints(folder))


def network(config: Mapping[str, Any], workdir: Path, *, classes: int, best: bool = True, layer: str = "") -> Network:
    """A trained network for predictions: the best weights in workdir/checkpoints, or the last ones.

    The optimiser's state is not read, so whatever optimiser there was is no matter. Features are those of a layer,
    see `build.reading`; without one, the network's own.
    """
    # How a batch was dealt out in training does not matter here: batches may be of any size.
    recipe = build.recipe(ConfigDict({**config, "accumulate": 1, "devices": 0}), classes=classes)
    recipe = build.reading(recipe, layer) if layer else recipe
    blank = recipe.parallel.put_state(states.blank(build.shapes(recipe)[1], recipe.seed))
    with checkpoints(workdir) as saved:
        # A head whose weights do for one size of pictures has no part in the layers before it.
        state, differences = saved.variables(blank, best=best, partial=bool(layer))
    if lines := [line for line in differences if not HEAD.search(line)]:
        raise errors.InputError(errors.listed(f"the weights in {workdir} do not fit its config", lines))
    return build.predictor(recipe, state)


def reopen(
    folder: Path,
    *,
    batch: int,
    best: bool = True,
    layer: str = "",
    view: str = "",
    photos: str = "",
    size: Sequence[int] = (),
) -> Trained:
    """A trained network with its data, for batches of another size; see `network`.

    Args:
        folder: of the training.
        batch: photos at once.
        best: take the best weights instead of the last.
        layer: whose features are wanted; "" is the network's own.
        view: folder of other pictures of the same photos; "" is those it was trained on.
        photos: folder of other photos, of which `view` has pictures; "" is those it was trained on.
        size: (height, width) that it sees them at; () is the one it was trained at.

    Raises:
        InputError: a size for which the network's weights do not do, or to which the view is sampled down too far.
    """
    config = {**finished_runs.read_in_run(folder).config, "batch": batch}
    config["inputs"] = {**config["inputs"], **({"view": view} if view else {})}
    config["size"] = tuple(size) or config["size"]
    data = dataset.other(Path(photos), Path(view)) if photos else dataset.load(config["inputs"])
    whales = right_whale.load(Path(config["inputs"]["photos"])).whales if photos else data.photos.whales
    if view or size:
        dataset.expect_sharp(data.stored_size, training={**config, "task": {}})  # nothing is augmented
    trained = network(config, folder, classes=len(whales), best=best, layer=layer)
    return Trained(trained, data, rows.holdout_of(config))
