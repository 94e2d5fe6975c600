"""Views: what a network sees of a photo, rendered once from the photo itself by one matrix.

Whole photo squashed to a square, box around the head, aligned head: each is a (3, 3) matrix from
photo pixels to view pixels. A view lies in a memory-mapped file, so photos never have to fit in memory.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from whale_jax import geometry
from whale_jax.data import check, render
from whale_jax.data.right_whale import Photos
from whale_jax.runtime import storage
from whale_jax.runtime.errors import InputError


class View(NamedTuple):
    """N pictures as a network sees them, and how each came from its photo.

    Attributes:
        images: (N, height, width, 3) uint8, memory-mapped; black where there is no matrix.
        matrices: (N, 3, 3) float32 from photo pixels to view pixels; NaN where unknown.
    """

    images: np.ndarray
    matrices: np.ndarray

    @property
    def pictured(self) -> np.ndarray:
        """(N,) bool, whether there is a picture."""
        return np.isfinite(self.matrices).all((1, 2))


def save(
    folder: Path,
    photos: Photos,
    *,
    matrices: np.ndarray,
    size: geometry.Size,
    shards: Sequence[Path] = (),
) -> View:
    """Renders a view into `folder`; the same view that is complete there already is left as it is.

    Args:
        folder: gets images.npy and matrices.npy.
        photos: N photos.
        matrices: (N, 3, 3) from photo pixels to view pixels; NaN where unknown.
        size: (height, width) of the view.
        shards: files that `render.write` wrote, of some of its rows each, in order. The view is put together from them.

    Returns:
        The view. Another view in the folder raises InputError.
    """
    folder, matrices = Path(folder), np.asarray(matrices, np.float32)
    if (folder / "images.npy").exists():
        view = load(folder)
        if view.images.shape[1:3] != tuple(size) or not np.array_equal(view.matrices, matrices, equal_nan=True):
            raise InputError(f"{folder} holds another view: delete it or choose another folder")
        return view
    folder.mkdir(parents=True, exist_ok=True)
    with storage.replacing(folder / "matrices.npy") as partial, partial.open("wb") as file:
        np.save(file, matrices)
    if shards:
        _join(shards, folder / "images.npy", shape=(len(matrices), *size, 3))
    else:
        render.write(photos, matrices, size=size, path=folder / "images.npy")
    return load(folder)


def load(folder: Path) -> View:
    """The view that `save` left in `folder`, its images memory-mapped; InputError where it is missing or damaged."""
    with storage.reading(Path(folder) / "images.npy") as path:
        images = np.load(path, mmap_mode="r")
    with storage.reading(Path(folder) / "matrices.npy") as path:
        matrices = np.load(path)
    if images.dtype != np.uint8 or images.ndim != 4 or matrices.shape != (len(images), 3, 3):
        raise InputError(f"{folder} holds no complete view: delete it and run its stage again")
    return View(images, matrices)


def enlarge(photos: Photos, view: View, *, rows: np.ndarray, height: int) -> np.ndarray:
    """(R, height, width, 3) uint8 pictures of a view in another resolution, rendered from the photos: for people.

    Args:
        photos: N photos.
        view: N pictures of them.
        rows: (R,) photos; each must have a matrix.
        height: of the pictures. They are as squashed as the view is.
    """
    shape = view.images.shape[1:3]
    size = height, round(height * shape[1] / shape[0])
    matrices = geometry.compose(view.matrices[rows], geometry.resize(shape, size))
    return render.pictures([photos.jpeg(int(row)) for row in rows], photos.size[rows], matrices=matrices, size=size)


def grey(picture: np.ndarray, size: geometry.Size) -> np.ndarray:
    """(height, width) uint8 of `size` from a picture (h, w, 3) uint8, resampled without aliasing."""
    return np.asarray(Image.fromarray(picture).convert("L").resize(size[::-1], Image.Resampling.BILINEAR))


def _join(shards: Sequence[Path], path: Path, *, shape: tuple[int, ...]) -> None:
    """Writes the rows of .npy files, in order, into one."""
    check.room(path.parent, math.prod(shape))
    render.expect_no_file(path)
    with storage.replacing(path) as partial:
        views, start = np.lib.format.open_memmap(partial, "w+", np.uint8, shape), 0
        for shard in shards:
            with storage.reading(shard):
                rows = np.load(shard, mmap_mode="r")
            views[start : start + len(rows)] = rows
            start += len(rows)
        views.flush()
