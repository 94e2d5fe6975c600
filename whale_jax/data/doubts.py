"""Numbers that look like another unit, another turn of the photo or swapped points; names that look like one name."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NoReturn

import numpy as np
from scipy import stats

from whale_jax.data import cells
from whale_jax.runtime.errors import InputError

# Likelihood of marks in pixels to lie within 100 pixels of the corner by accident, below which percent is likelier.
CHANCE = 0.01
LEAST_SIDE = 200  # pixels of a photo that says something of it
LIKELY = 0.01  # of so few photos with the usual side, if it were as often as not
SWAPPED = 0.42  # share of photos with the usual side below which the points seem swapped
STORED = {  # EXIF orientation -> (x, y) as stored of (u, v) as viewers show it; w and h are the last column and row
    2: lambda u, v, w, h: (w - u, v),
    3: lambda u, v, w, h: (w - u, h - v),
    4: lambda u, v, w, h: (u, h - v),
    5: lambda u, v, w, h: (v, u),
    6: lambda u, v, w, h: (v, h - u),
    7: lambda u, v, w, h: (w - v, h - u),
    8: lambda u, v, w, h: (w - v, u),
}


def unit(points: np.ndarray, boxes: np.ndarray, *, sizes: np.ndarray) -> str:
    """ "fraction" or "percent" where the marks of photos are likelier so than in pixels, else "pixels".

    Args:
        points: (N, 2, 2) bonnet and blowhead as (x, y); NaN where unknown.
        boxes: (N, 4) as (x, y, width, height); NaN where unknown.
        sizes: (N, 2) (height, width) of the photos, in pixels.
    """
    corners = np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    marks = np.concatenate([points, corners], axis=1)
    marked = np.isfinite(marks).any((1, 2))
    if not marked.any():
        return "pixels"
    largest = np.nanmax(marks[marked])
    if largest <= 1:
        return "fraction"
    large = marked & (sizes >= LEAST_SIDE).all(1)  # in smaller ones, heads in the middle are near the corner as well
    chance = (100 / sizes[large]).prod()
    return "percent" if largest <= 100 and np.nanmin(marks[marked]) >= 0 and chance < CHANCE else "pixels"


def scale(unit: str, sizes: np.ndarray) -> np.ndarray:
    """(N, 2) what (x, y) in this unit are multiplied by to be pixels of photos of (N, 2) (height, width)."""
    return sizes[:, ::-1] * {"percent": 0.01, "fraction": 1.0}[unit] if unit != "pixels" else np.ones(sizes.shape)


def transposed(points: np.ndarray, boxes: np.ndarray, *, sizes: np.ndarray, orientation: np.ndarray) -> np.ndarray:
    """(N,) bool, photos lying on their side as stored, whose marks lie outside them and inside them as viewed.

    Args:
        points: (N, 2, 2) bonnet and blowhead as (x, y), in pixels; NaN where unknown.
        boxes: (N, 4) as (x, y, width, height), in pixels; NaN where unknown.
        sizes: (N, 2) (height, width) of the photos as stored, in pixels.
        orientation: (N,) of EXIF.
    """
    ends = np.concatenate([points, (boxes[:, :2] + boxes[:, 2:])[:, None]], axis=1)
    high = np.where(np.isfinite(ends), ends, -np.inf).max(1)
    across = sizes[:, ::-1]
    return (orientation >= 5) & (high > across).any(1) & (high <= sizes).all(1)


def stored(xy: np.ndarray, size: Sequence[int], *, orientation: int) -> np.ndarray:
    """(..., 2) points of a photo as viewed -> of the photo as stored, with its (height, width) and EXIF orientation."""
    if orientation not in STORED:
        return xy
    return np.stack(STORED[orientation](xy[..., 0], xy[..., 1], size[1] - 1, size[0] - 1), axis=-1)


def seem_swapped(points: np.ndarray, boxes: np.ndarray, *, sizes: np.ndarray) -> bool:
    """Whether most bonnets are where blowheads are expected.

    People draw a box around a head with some of the neck: of 4,544 photos of the competition, 77 % have the middle of
    the box nearer to the blowhead. Where there is no box, the middle of the photo stands for it: a body lies behind its
    blowhead, and people photograph whales, not heads. It is nearer to the blowhead in 68 %.

    Args:
        points: (N, 2, 2) bonnet and blowhead as (x, y), in pixels; NaN where unknown.
        boxes: (N, 4) as (x, y, width, height), in pixels; NaN where unknown.
        sizes: (N, 2) (height, width) of the photos, in pixels.
    """
    middle = np.where(np.isfinite(boxes).all(1)[:, None], boxes[:, :2] + boxes[:, 2:] / 2, sizes[:, ::-1] / 2)
    distance = np.linalg.norm(points - middle[:, None], axis=-1)
    annotated = np.isfinite(distance).all(1)
    usual, count = int((distance[annotated, 1] < distance[annotated, 0]).sum()), int(annotated.sum())
    return count > 0 and usual < SWAPPED * count and stats.binomtest(usual, count).pvalue < LIKELY


def alike(names: Iterable[str]) -> list[str]:
    """Lines about names that differ by case, blanks or hyphens alone, such as "Eg1234" and "EG 1234"."""
    by_key = defaultdict(list)
    for name in sorted({*names}):
        by_key[cells.key(name)].append(name)
    return [" and ".join(map(cells.short, group)) for group in by_key.values() if len(group) > 1]


def ask(question: str, choices: Iterable[str], *, key: str) -> NoReturn:
    """Raises InputError with a question that one of some settings answers."""
    settings = " or ".join(f"--config.{key}={choice}" for choice in choices)
    raise InputError(f"{question}: say so by {settings}")
