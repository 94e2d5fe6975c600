"""The points by which the heads of new photos were cut, and what speaks against a head being there."""

from pathlib import Path

import numpy as np

from whale_jax import frames
from whale_jax.data import predictions, right_whale
from whale_jax.data.right_whale import Photos
from whale_jax.evaluation import metrics
from whale_jax.workflow import finished_runs
from whale_jax.workflow.finished_runs import Stage

NO_HEAD = "no head was found"


def points_of(heads: Stage, photos: Photos) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2, 2) bonnets and blowheads by which heads were cut out of n photos; (n,) bool, which were predicted."""
    annotated = right_whale.annotated(photos, "points")
    if not (folder := heads.config["inputs"]["predictions"]):
        return photos.points, ~annotated
    points = predictions.load(folder, photos, kind="points")
    annotated &= heads.config.get("prefer_annotations", False)
    return np.where(annotated[:, None, None], photos.points, points), ~annotated


def usual_length(heads: Stage) -> float:
    """The usual length of a head in a run, in longer sides of the photo, by the stage that cut them; 0 otherwise."""
    if heads.config["frame"] != "head" or "length" in heads.result:
        return heads.result.get("length", 0.0)
    photos = right_whale.load(Path(heads.config["inputs"]["photos"]))  # a run of an older version does not say it
    points, _ = points_of(heads, photos)
    lengths = np.linalg.norm(points[:, 0] - points[:, 1], axis=-1)  # by numpy: a config asks, and no device is chosen
    return float(np.nanmedian(lengths / photos.size.max(1)))


def point_shifts(heads: Stage, photos: Photos) -> np.ndarray:
    """(n,) how far the last network moved the points of the one before it, in head lengths; NaN where it had none.

    Networks that look closer and closer agree on a head. On the sea, each finds another place for it.
    """
    absent = np.full(len(photos.name), np.nan)
    if not (folder := heads.config["inputs"]["predictions"]):
        return absent
    view = finished_runs.read(folder).config["inputs"].get("view")
    before = finished_runs.read(view).config["inputs"]["predictions"] if view else ""
    if not before or "points" not in predictions.kinds(before):
        return absent
    first, last = (predictions.load(each, photos, kind="points") for each in (before, folder))
    return np.asarray(metrics.point_error(first, last), np.float64)


def no_head_notes(
    points: np.ndarray,
    photos: Photos,
    *,
    usual: float,
    max_length_ratio: float,
    shifts: np.ndarray,
    max_point_shift: float,
) -> np.ndarray:
    """(n,) str, why the head on each of n photos, by (n, 2, 2) points, is none; "" where nothing speaks against it.

    Args:
        points: bonnets and blowheads, in pixels; NaN where there is none.
        photos: n of them.
        usual: length of a head, in longer sides of the photo; 0 for the median of these.
        max_length_ratio: the largest factor between a length and the usual one; 0 for any.
        shifts: (n,) as `point_shifts` has them.
        max_point_shift: the farthest, in head lengths, that the last network may have moved the points; 0 for any.
    """
    lengths = np.asarray(frames.lengths(points, photos.size), np.float64)
    usual = usual or np.nanmedian(lengths)
    notes = np.full(len(points), "", object)
    for row in np.flatnonzero(shifts > max_point_shift) if max_point_shift else ():
        notes[row] = f"{NO_HEAD} (the networks do not agree where: {shifts[row]:.2g} head lengths apart)"
    ratio = lengths / usual
    for row in np.flatnonzero((ratio > max_length_ratio) | (ratio < 1 / max_length_ratio)) if max_length_ratio else ():
        notes[row] = f"{NO_HEAD} (implausible size: {ratio[row]:.2g} times the usual length)"
    notes[~np.isfinite(lengths)] = NO_HEAD
    return notes
