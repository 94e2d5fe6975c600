"""Points and boxes of photos, in pixels as they are stored: converted where a person says so, else asked about."""

from collections.abc import Sequence

import numpy as np

from whale_jax.data import cells, doubts
from whale_jax.data.photo_files import Note
from whale_jax.data.rows import Settings

LARGE_SHARE = 0.1  # of photos said to be of a size that their marks lie beyond, from which on the size is not believed


def in_pixels(
    points: np.ndarray,
    boxes: np.ndarray,
    *,
    names: Sequence[str],
    notes: Sequence[Note],
    drawn_on: np.ndarray,
    settings: Settings,
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The same marks in pixels of the photos as they are stored, and warnings.

    Args:
        points: (N, 2, 2) bonnet and blowhead as (x, y); NaN where unknown.
        boxes: (N, 4) as (x, y, width, height); NaN where unknown.
        names: of the N photos.
        notes: on their files; the size is (0, 0) where a file cannot be read.
        drawn_on: (N, 2) (width, height) of the photo that marks were drawn on, where a file says so; else NaN.
        settings: what the person says of units and of turned photos.

    Raises:
        InputError: marks that seem to be in another unit, or of turned photos, and nobody said which.
    """
    sizes = np.array([note.size for note in notes], int).reshape(-1, 2)
    turns = np.array([note.orientation for note in notes])
    unit = settings.units or doubts.unit(points, boxes, sizes=sizes)
    if unit != "pixels" and not settings.units:
        doubts.ask(
            f"all points and boxes look like a {unit} of the photo, not like pixels", (unit, "pixels"), key="units"
        )
    factor = doubts.scale(unit, _viewed(sizes, turns) if settings.orientation == "viewed" else sizes)
    if unit != "pixels":
        factor = np.where((sizes > 0).all(1, keepdims=True), factor, np.nan)
    points, boxes = points * factor[:, None], boxes * np.tile(factor, 2)
    turned = doubts.transposed(points, boxes, sizes=sizes, orientation=turns) | _sideways(drawn_on, sizes, turns)
    if turned.any() and not settings.orientation:
        name = names[int(np.argmax(turned))]
        question = (
            f"the marks of {turned.sum():,} photos, such as {cells.short(name)}, are of the photo as viewers turn it"
        )
        doubts.ask(f"{question} by EXIF", ("viewed", "stored"), key="orientation")
    if settings.orientation == "viewed":
        points, boxes = _stored(points, boxes, sizes=sizes, turns=turns)
    turned |= (turns > 1) & (settings.orientation == "viewed")
    drawn_on = np.where(turned[:, None] | (sizes == 0) | (unit != "pixels"), np.nan, drawn_on)
    points, boxes, warnings = _of_copies(points, boxes, names=names, sizes=sizes, drawn_on=drawn_on)
    if doubts.seem_swapped(points, boxes, sizes=sizes):
        warnings.append("most bonnets lie where blowheads are expected, towards the body: are they swapped?")
    return points.astype(np.float32), boxes.astype(np.float32), warnings


def _of_copies(
    points: np.ndarray, boxes: np.ndarray, *, names: Sequence[str], sizes: np.ndarray, drawn_on: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Marks drawn on smaller or larger copies of photos -> of the photos; and lines about photos of other sizes.

    Args:
        points, boxes: (N, 2, 2) and (N, 4), in pixels of the pictures that they were drawn on.
        names: of the N photos.
        sizes: (N, 2) (height, width) of the photos.
        drawn_on: (N, 2) (width, height) of those pictures, NaN where nobody says.
    """
    resized = np.isfinite(drawn_on).all(1) & (drawn_on != sizes[:, ::-1]).any(1)
    factor = sizes[:, 1] / np.maximum(drawn_on[:, 0], 1)
    is_copy = resized & (np.abs(sizes[:, 0] - factor * drawn_on[:, 1]) < np.maximum(factor, 1))  # of the same shape
    ends = np.concatenate([points, (boxes[:, :2] + boxes[:, 2:])[:, None]], axis=1)
    beyond = (np.where(np.isfinite(ends), ends, -np.inf).max(1) > drawn_on + 1).any(1)  # the marks are of the photo
    for scale in np.unique(factor[is_copy & beyond].round(3)):  # where many are, all of such a size are of the photos
        alike = is_copy & (factor.round(3) == scale)
        is_copy &= ~(alike & (beyond | (beyond[alike].mean() > LARGE_SHARE)))
    factor = np.where(is_copy, factor, 1)[:, None]
    shift = (factor - 1) / 2  # (0, 0) is the centre of a pixel
    boxes = np.concatenate([boxes[:, :2] * factor + shift, boxes[:, 2:] * factor], axis=1)
    lines = []
    for rows, text in (
        (is_copy, "are of another size than the copies that were annotated, and their marks are scaled"),
        (resized & ~is_copy, "are of another size than those that were annotated"),
    ):
        if rows.any():
            row = int(np.argmax(rows))
            (height, width), drawn = sizes[row], drawn_on[row].astype(int)
            example = f"{cells.short(names[row])} of {width}x{height}, drawn on {drawn[0]}x{drawn[1]}"
            lines.append(f"{rows.sum():,} photos {text}: {example}")
    return points * factor[:, None] + shift[:, None], boxes, lines


def _viewed(sizes: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """(N, 2) (height, width) as viewers show photos of (N, 2) stored sizes."""
    return np.where(turns[:, None] >= 5, sizes[:, ::-1], sizes)


def _sideways(drawn_on: np.ndarray, sizes: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """(N,) bool, photos that a file says were annotated as viewers turn them, onto their side."""
    return (turns >= 5) & (drawn_on == sizes).all(1) & (sizes[:, 0] != sizes[:, 1])


def _stored(
    points: np.ndarray, boxes: np.ndarray, *, sizes: np.ndarray, turns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Marks of photos as viewed -> of photos as stored."""
    points, boxes = points.copy(), boxes.copy()
    for i in np.flatnonzero(turns > 1):
        points[i] = doubts.stored(points[i], sizes[i], orientation=turns[i])
        corners = doubts.stored(np.stack([boxes[i, :2], boxes[i, :2] + boxes[i, 2:]]), sizes[i], orientation=turns[i])
        low, high = corners.min(0), corners.max(0)
        boxes[i] = *low, *(high - low)
    return points, boxes
