"""Rendering: from a photo's JPEG and a matrix to the pixels of a view, shrunk while decoding and resampled once."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from whale_jax import geometry
from whale_jax.data import check, photo_files
from whale_jax.data.right_whale import Photos
from whale_jax.runtime import progress, storage, threads
from whale_jax.runtime.errors import InputError

BATCH_PIXELS = 2**21  # view pixels warped at once: 32 views of 256x256
TILE_STEP = 16  # tiles are rounded up to this many pixels
FEW_TILES = 256  # the same, where there are few pictures at a time: one more compile takes longer than padding


def decode(jpeg: bytes, scale: tuple[float, float] = (1, 1), *, window: Iterable[int] | None = None) -> np.ndarray:
    """Pixels of a photo, shrunk without aliasing and never enlarged.

    The EXIF orientation is not applied: annotations are in the pixels as stored.

    Args:
        jpeg: the photo's file.
        scale: (x, y) size wanted over size stored; more than 1 counts as 1.
        window: (x0, y0, x1, y1) the part wanted, in pixels of the shrunk photo; None is all of it.

    Returns:
        (height, width, 3) uint8 RGB. Data that is no picture raises InputError; the caller adds the photo's name.
    """
    try:
        with photo_files.open_image(jpeg) as image:
            height, width = _shrunk(np.array([image.height, image.width]), np.asarray(scale)).tolist()
            # The decoder shrinks by 2, 4 or 8 at a fraction of the cost; `whole` is the photo in its pixels.
            _, whole = image.draft(None, (width, height)) or (None, (0, 0, *image.size))
            image.decodermaxblock = len(jpeg) + 2  # in one go: other threads hold the interpreter in between
            x0, y0, x1, y1 = (0, 0, width, height) if window is None else map(int, window)
            box = (x0 / width * whole[2], y0 / height * whole[3], x1 / width * whole[2], y1 / height * whole[3])
            return np.asarray(photo_files.rgb(image).resize((x1 - x0, y1 - y0), Image.Resampling.HAMMING, box=box))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise InputError(f"not a picture that can be read: {e}") from e


def write(
    photos: Photos,
    matrices: np.ndarray,
    *,
    size: geometry.Size,
    path: Path,
    rows: slice = slice(None),
    label: str = "",
) -> None:
    """Writes every photo, moved by its matrix, into one .npy file; beyond a photo's rim its edge is repeated.

    The file appears under its name only when it is complete. It is the same for any number of threads, and files of
    some rows each, joined, are the same as one file of all rows. A view whose matrix is not finite or has no inverse is
    black.

    Args:
        photos: N photos.
        matrices: (N, 3, 3) from photo pixels to view pixels.
        size: (height, width) of the view.
        path: the (N, height, width, 3) uint8 file to write.
        rows: of the photos that are written.
        label: of the progress bar; without one, it is the name of the folder.

    Raises:
        InputError: a photo that cannot be read, by its name; a file that is there already; no room on the disk.
    """
    places = np.arange(len(photos.name))[rows]
    check.room(Path(path).parent, len(places) * size[0] * size[1] * 3)
    plan = _plan(photos.size, matrices, size=size)
    pictured, batch = places[plan.ok[places]], max(1, BATCH_PIXELS // (size[0] * size[1]))

    def tile(row: int) -> np.ndarray:
        jpeg = photos.jpeg(row)
        try:
            return _tile(jpeg, plan, row)
        except InputError as e:
            raise InputError(f"{photos.name[row]}: {e}") from e

    bar = progress.bar(len(pictured), title=label or Path(path).parent.name, unit="photos")
    expect_no_file(Path(path))
    with storage.replacing(Path(path)) as partial, bar:
        views = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(places), *size, 3))
        stack = np.zeros((batch, *plan.tile, 3), np.uint8)  # the last batch is padded: one compile for all
        tiles = threads.ahead(tile, pictured.tolist(), depth=batch + threads.cores())
        for start in range(0, len(pictured), batch):
            members = pictured[start : start + batch]
            for slot, pixels in enumerate(islice(tiles, len(members))):
                stack[slot] = pixels
            if plan.still:
                moved = stack[:, : size[0], : size[1]]
            else:
                moved = _warp(stack, plan.matrix[np.resize(members, batch)], tuple(size))
            views[members - places[0]] = moved[: len(members)]
            bar.update(len(members))
        views.flush()


def pictures(jpegs: Sequence[bytes], sizes: np.ndarray, *, matrices: np.ndarray, size: geometry.Size) -> np.ndarray:
    """(R, *size, 3) uint8 views of R photos of (R, 2) sizes, moved by (R, 3, 3) finite matrices."""
    plan = _plan(sizes, matrices, size=size, step=FEW_TILES)
    tiles = np.stack([_tile(jpeg, plan, i) for i, jpeg in enumerate(jpegs)])
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


def _plan(sizes: np.ndarray, matrices: np.ndarray, *, size: geometry.Size, step: int = TILE_STEP) -> _Plan:
    """Shrinks so that about one decoded pixel becomes one view pixel, and cuts the least tile."""
    matrices = np.asarray(matrices, np.float32)
    pairs = np.stack([matrices, geometry.invert(matrices)])
    ok = np.isfinite(pairs).all((0, 2, 3))
    matrices = np.where(ok[:, None, None], matrices, np.eye(3, dtype=np.float32))
    scale = np.minimum(np.linalg.norm(matrices[:, :2, :2], axis=1), 1)  # the lengths of its columns
    shrunk = _shrunk(sizes, scale)
    matrix = geometry.compose(geometry.resize(shrunk.T, sizes.T), matrices)
    needed = geometry.move_box(geometry.invert(matrix), jnp.array([0, 0, size[1] - 1, size[0] - 1], jnp.float32))
    low, extent = np.split(np.asarray(needed), 2, axis=1)
    last = shrunk[:, ::-1] - 1
    low, high = np.clip(np.floor(low) - 1, 0, last), np.clip(np.ceil(low + extent) + 1, 0, last)
    low, high = low.astype(int), high.astype(int) + 1
    tile_width, tile_height = (-(-(high - low)[ok].max(0, initial=1) // step) * step).tolist()
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
    moved = jax.vmap(lambda tile, matrix: geometry.warp(tile, matrix, size=size))(tiles, matrices)
    return jnp.round(moved).astype(jnp.uint8)


def expect_no_file(path: Path) -> None:
    """Raises InputError where a file exists already."""
    if path.exists():
        raise InputError(f"{path} exists: delete it or choose another folder")
