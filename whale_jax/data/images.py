"""Views: what a network sees of a photo, rendered once from the photo itself by one matrix.

Whole photo squashed to a square, box around the head, window, aligned head: each is a (3, 3) matrix from
photo pixels to view pixels. A view lies in a memory-mapped file, so photos never have to fit in memory.
"""

import io
import math
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from whale_jax import geometry
from whale_jax.data import check
from whale_jax.data.right_whale import Photos
from whale_jax.runtime import progress, storage, threads
from whale_jax.runtime.errors import InputError

BATCH_PIXELS = 2**21  # view pixels warped at once: 32 views of 256x256
TILE_STEP = 16  # tiles are rounded up to this many pixels


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
    matrices: np.ndarray,
    size: geometry.Size,
    *,
    shards: Sequence[Path] = (),
    workers: int = 0,
) -> View:
    """Renders a view into `folder`; the same view that is complete there already is left as it is.

    Args:
        folder: gets images.npy and matrices.npy.
        photos: N photos.
        matrices: (N, 3, 3) from photo pixels to view pixels; NaN where unknown.
        size: (height, width) of the view.
        shards: files of some of its rows each, in order, that `render` wrote; they are put together then.
        workers: decoding threads; 0 is one a core.

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
        _join(shards, folder / "images.npy", (len(matrices), *size, 3))
    else:
        render(photos, matrices, size, folder / "images.npy", workers=workers)
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


def decode(jpeg: bytes, scale: tuple[float, float] = (1, 1), *, window: Iterable[int] | None = None) -> np.ndarray:
    """Pixels of a photo, shrunk without aliasing and never enlarged.

    The EXIF orientation is not applied: annotations are in the pixels as stored.

    Args:
        jpeg: the photo's file.
        scale: (x, y) size wanted over size stored; more than 1 counts as 1.
        window: (x0, y0, x1, y1) the part wanted, in pixels of the shrunk photo; None is all of it.

    Returns:
        (height, width, 3) uint8 RGB. Data that is no picture raises InputError, which does not know its name.
    """
    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            height, width = _shrunk(np.array([image.height, image.width]), np.asarray(scale)).tolist()
            # The decoder shrinks by 2, 4 or 8 at a fraction of the cost; `whole` is the photo in its pixels.
            _, whole = image.draft(None, (width, height)) or (None, (0, 0, *image.size))
            image.decodermaxblock = len(jpeg)  # in one go: other threads hold the interpreter in between
            x0, y0, x1, y1 = (0, 0, width, height) if window is None else map(int, window)
            box = (x0 / width * whole[2], y0 / height * whole[3], x1 / width * whole[2], y1 / height * whole[3])
            rgb = image if image.mode == "RGB" else image.convert("RGB")
            return np.asarray(rgb.resize((x1 - x0, y1 - y0), Image.Resampling.HAMMING, box=box))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise InputError(f"not a picture that can be read: {e}") from e


def render(
    photos: Photos,
    matrices: np.ndarray,
    size: geometry.Size,
    path: Path,
    *,
    rows: slice = slice(None),
    what: str = "",
    workers: int = 0,
) -> np.ndarray:
    """Writes every photo, moved by its matrix, into one .npy file; beyond a photo's rim its edge is repeated.

    The file appears under its name only when it is complete. It is the same for any number of workers, and files of
    some rows each hold what one of all rows does.

    Args:
        photos: N photos.
        matrices: (N, 3, 3) from photo pixels to view pixels.
        size: (height, width) of the view.
        path: the (N, height, width, 3) uint8 file to write.
        rows: of the photos that are written.
        what: this is called in progress bars, if not like the folder.
        workers: decoding threads; 0 is one a core.

    Returns:
        (N,) bool, False where the matrix is not finite or has no inverse: those views are black.
        A photo that cannot be read raises InputError with its name.
    """
    own = np.arange(len(photos.name))[rows]
    check.room(Path(path).parent, len(own) * size[0] * size[1] * 3)
    plan = _plan(photos.size, matrices, size=size)
    wanted, batch = own[plan.ok[own]], max(1, BATCH_PIXELS // (size[0] * size[1]))
    workers = workers or threads.cores()

    def tile(row: int) -> np.ndarray:
        jpeg = photos.jpeg(row)
        try:
            return _tile(jpeg, plan, row)
        except InputError as e:
            raise InputError(f"{photos.name[row]}: {e}") from e

    bar = progress.bar(len(wanted), what=what or Path(path).parent.name, unit="photos")
    _expect_none(Path(path))
    with storage.replacing(Path(path)) as partial, bar:
        views = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(own), *size, 3))
        stack = np.zeros((batch, *plan.tile, 3), np.uint8)  # the last batch is padded: one compile for all
        tiles = threads.ahead(tile, wanted.tolist(), workers=workers, depth=batch + workers)
        for start in range(0, len(wanted), batch):
            some = wanted[start : start + batch]
            for slot, pixels in enumerate(islice(tiles, len(some))):
                stack[slot] = pixels
            if plan.still:
                moved = stack[:, : size[0], : size[1]]
            else:
                moved = _warp(stack, plan.matrix[np.resize(some, batch)], tuple(size))
            views[some - own[0]] = moved[: len(some)]
            bar.update(len(some))
        views.flush()
    return plan.ok


def again(photos: Photos, view: View, rows: np.ndarray, *, height: int) -> np.ndarray:
    """(R, height, width, 3) uint8 what a view shows of some photos, cut anew from them with other pixels: for people.

    Args:
        photos: N photos.
        view: N pictures of them.
        rows: (R,) photos; each must have a matrix.
        height: of the pictures. They are as squashed as the view is.
    """
    own = view.images.shape[1:3]
    size = height, round(height * own[1] / own[0])
    matrices = geometry.compose(view.matrices[rows], geometry.resize(own, size))
    plan = _plan(photos.size[rows], matrices, size=size)
    tiles = np.stack([_tile(photos.jpeg(int(row)), plan, i) for i, row in enumerate(rows)])
    return np.asarray(_warp(tiles, plan.matrix, size))


class _Plan(NamedTuple):
    """What to decode and how to move it, for N photos.

    Attributes:
        ok: (N,) bool, whether there is a view at all.
        scale: (N, 2) (x, y) to shrink by on decoding, 1 at most.
        window: (N, 4) int (x0, y0, x1, y1) the part of the shrunk photo that the view needs.
        matrix: (N, 3, 3) from pixels of that window to view pixels.
        tile: (height, width) that every window fits.
        still: whether decoding does it all, as for whole photos: no matrix has anything left to move.
    """

    ok: np.ndarray
    scale: np.ndarray
    window: np.ndarray
    matrix: np.ndarray
    tile: geometry.Size
    still: bool


def _plan(sizes: np.ndarray, matrices: np.ndarray, *, size: geometry.Size) -> _Plan:
    """Shrinks so that about one decoded pixel becomes one view pixel, and cuts the least tile."""
    matrices = np.asarray(matrices, np.float32)
    both = np.stack([matrices, geometry.invert(matrices)])
    ok = np.isfinite(both).all((0, 2, 3))
    matrices = np.where(ok[:, None, None], matrices, np.eye(3, dtype=np.float32))
    scale = np.minimum(np.linalg.norm(matrices[:, :2, :2], axis=1), 1)  # the lengths of its columns
    shrunk = _shrunk(sizes, scale)
    matrix = geometry.compose(geometry.resize(shrunk.T, sizes.T), matrices)
    needed = geometry.move_box(geometry.invert(matrix), jnp.array([0, 0, size[1] - 1, size[0] - 1], jnp.float32))
    low, extent = np.split(np.asarray(needed), 2, axis=1)
    last = shrunk[:, ::-1] - 1
    low, high = np.clip(np.floor(low) - 1, 0, last), np.clip(np.ceil(low + extent) + 1, 0, last)
    low, high = low.astype(int), high.astype(int) + 1
    tile_width, tile_height = (-(-(high - low)[ok].max(0, initial=1) // TILE_STEP) * TILE_STEP).tolist()
    matrix = np.asarray(geometry.compose(geometry.translation(*low.T), matrix))
    still = np.allclose(matrix[ok], np.eye(3), atol=1e-3)
    return _Plan(ok, scale, np.concatenate([low, high], axis=1), matrix, (tile_height, tile_width), still)


def _shrunk(size: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(..., 2) int (height, width) of photos of (..., 2) `size` after (..., 2) `scale`, which is (x, y)."""
    return np.maximum(np.rint(size * np.minimum(scale[..., ::-1], 1)), 1).astype(int)


def _tile(jpeg: bytes, plan: _Plan, row: int) -> np.ndarray:
    """(*plan.tile, 3) uint8 the window of one photo, its last row and column repeated."""
    pixels = decode(jpeg, plan.scale[row], window=plan.window[row])
    below, right = plan.tile[0] - pixels.shape[0], plan.tile[1] - pixels.shape[1]
    return np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")


@jax.jit(static_argnums=2)
def _warp(tiles: jax.Array, matrices: jax.Array, size: geometry.Size) -> jax.Array:
    """(B, *size, 3) uint8 of (B, height, width, 3) tiles moved by (B, 3, 3) matrices."""
    moved = jax.vmap(lambda tile, matrix: geometry.warp(tile, matrix, size))(tiles, matrices)
    return jnp.round(moved).astype(jnp.uint8)


def _join(shards: Sequence[Path], path: Path, shape: tuple[int, ...]) -> None:
    """Writes the rows of .npy files, in order, into one."""
    check.room(path.parent, math.prod(shape))
    _expect_none(path)
    with storage.replacing(path) as partial:
        views, start = np.lib.format.open_memmap(partial, "w+", np.uint8, shape), 0
        for shard in shards:
            with storage.reading(shard):
                some = np.load(shard, mmap_mode="r")
            views[start : start + len(some)] = some
            start += len(some)
        views.flush()


def _expect_none(path: Path) -> None:
    if path.exists():
        raise InputError(f"{path} exists: delete it or choose another folder")
