"""Features of every photo by local descriptors of its view: nothing is trained."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax.data import images, predictions, right_whale, shards
from whale_jax.recognition import descriptors
from whale_jax.runtime import errors, registry, storage
from whale_jax.workflow.program import Program

SHARD = "features.npy"  # in a shard's folder
DEFAULTS = {
    "inputs": {"photos": "", "view": ""},
    "descriptor": "hog",
    "size": (64, 128),  # (height, width) that the pictures of the view are brought to: no more than they have
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes workdir/predictions.npz: features (N, D) of all photos, NaN where there is no view."""
    photos, view = load(config)
    files = [folder / SHARD for _, folder in shards.folders(workdir, len(photos.name))]
    if files:
        features = np.concatenate([read(file) for file in files])
    else:
        features = descriptors.describe(config, view, rows=slice(0, len(photos.name)), title=workdir.name)
    predictions.save(workdir, photos, arrays={"features": features})
    shards.remove(workdir)
    return {"features": features.shape[1], "photos": int(view.pictured.sum())}


def shard(config: ConfigDict, workdir: Path, piece: shards.Shard) -> None:
    """Describes one shard of the photos, for `run` to put together."""
    photos, view = load(config)
    path, rows = piece.folder(workdir) / SHARD, piece.rows(len(photos.name))
    if rows.start < rows.stop and not path.exists():
        features = descriptors.describe(config, view, rows=rows, title=workdir.name)
        with storage.replacing(path) as partial, partial.open("wb") as file:
            np.save(file, features)


def read(file: Path) -> np.ndarray:
    """The (n, D) features of one shard."""
    with storage.reading(file):
        return np.load(file)


def load(config: ConfigDict) -> tuple[right_whale.Photos, images.View]:
    """The photos and their view; InputError where it has no picture, or fewer pixels than `size`."""
    photos, view = right_whale.load(Path(config.inputs.photos)), images.load(Path(config.inputs.view))
    if len(view.images) != len(photos.name):
        raise errors.InputError(f"{config.inputs.view} is a view of other photos: make both from one import")
    if not view.pictured.any():
        raise errors.InputError(f"{config.inputs.view} has no picture to describe")
    height, width = view.images.shape[1:3]
    if height < config.size[0] or width < config.size[1]:
        size = " x ".join(map(str, config.size))
        raise errors.InputError(
            f"{config.inputs.view} has pictures of {height} x {width} pixels, fewer than config.size = {size}:"
            " cut a larger view"
        )
    return photos, view


def check(config: ConfigDict) -> None:
    """Raises InputError for an unknown descriptor, or a size of less than one block."""
    registry.lookup("descriptor", descriptors.DESCRIPTORS, config.descriptor)
    if min(config.size) < 2 * descriptors.CELL:
        raise errors.InputError(
            f"config.size = {tuple(config.size)} is less than the {2 * descriptors.CELL} pixels of one block"
        )


PROGRAM = Program(DEFAULTS, run, check=check, shard=shard)
