"""The pictures of a report: from finished stages to the arguments of `figures`, `charts` and `sheets`.

Each function yields (name, function that draws, its arguments ...) of the pictures that the stages allow.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from whale_jax import geometry
from whale_jax.data import predictions, render, right_whale
from whale_jax.evaluation import metrics
from whale_jax.report import charts, curves, heads, sheets
from whale_jax.report.approaches import ALIGNERS, LOCALIZERS
from whale_jax.report.sheets import Spot
from whale_jax.runtime import errors
from whale_jax.workflow.finished_runs import Stage

SPOTS = 4  # photos in each row of the best, the median and the worst points
AROUND = 3.2  # head lengths from one side of the part of a photo to the other, at least
SPOT_WIDTH = 480  # pixels that it is decoded to
SPOT_ASPECT = 1.5  # its width over height


def draw(stages: Mapping[str, Stage]) -> Iterator[tuple]:
    """(name, function that draws, arguments ...) of every picture that the stages allow."""
    yield from curves.of_classifiers(stages)
    yield from curves.of_finders(stages)
    pictured = [name for name in (*LOCALIZERS, *ALIGNERS, *heads.VIEWS) if name in stages]
    if pictured and "photos" not in stages:
        raise errors.InputError(f"inputs.photos is empty, and the pictures of {', '.join(pictured)} need the photos")
    if pictured:
        photos = right_whale.load(stages["photos"].folder)
        yield from of_boxes(stages, photos)
        yield from of_points(stages, photos)
        yield from heads.of_whales(stages, photos)
        yield from heads.of_likeliest(stages, photos)


def of_boxes(stages: Mapping[str, Stage], photos: right_whale.Photos) -> Iterator[tuple]:
    """A histogram of the IoU of the localizer's last stage over all photos with an annotated box; no answer is 0."""
    annotated = right_whale.annotated(photos, "box")
    localizers = [stages[name] for name in LOCALIZERS if name in stages]
    if localizers and annotated.any():
        box = predictions.load(localizers[-1].folder, photos, kind="box")
        yield "iou", charts.iou_histogram, np.nan_to_num(geometry.iou(box[annotated], photos.box[annotated]))


def of_points(stages: Mapping[str, Stage], photos: right_whale.Photos) -> Iterator[tuple]:
    """The errors of the aligner's stages, and for each a sheet of photos with points."""
    rows = np.flatnonzero(right_whale.annotated(photos, "points"))
    answers = {
        name: predictions.load(stages[name].folder, photos, kind="points") for name in ALIGNERS if name in stages
    }
    error = {name: np.asarray(metrics.point_error(p[rows], photos.points[rows])) for name, p in answers.items()}
    if answers and len(rows):
        yield "point_error", charts.error_curves, [(*ALIGNERS[name], error[name]) for name in answers]
    for name, points in answers.items():
        if sheet := spots(photos, points, rows=rows, error=error[name]):
            title = f"{ALIGNERS[name][0].capitalize()}, on photos that it was not trained on"
            measure = ": error in head lengths (mean distance of the two points)" if len(rows) else ""
            yield f"points_{name}", sheets.point_sheet, sheet, title + measure


def spots(
    photos: right_whale.Photos, points: np.ndarray, *, rows: np.ndarray, error: np.ndarray
) -> dict[str, list[Spot]]:
    """Photos with the best, median and worst points, and some that nobody annotated.

    Args:
        photos: N photos.
        points: (N, 2, 2) predicted bonnets and blowheads, in photo pixels.
        rows: (n,) annotated photos.
        error: (n,) their errors.
    """
    order = rows[np.argsort(error)[: np.isfinite(error).sum()]]
    count = min(SPOTS, max(1, len(order) // 3))
    middle = (len(order) - count) // 2
    chosen = {"best": order[:count], "median": order[middle : middle + count], "worst": order[-count:]}
    pointed = np.flatnonzero(np.isfinite(points).all((1, 2)))
    chosen["not annotated"] = heads.evenly(np.setdiff1d(pointed, rows), SPOTS)
    titles = dict(zip(rows, (f": {value:.3f}" for value in error), strict=True))
    sheet = {
        kind: [spot(photos, i, points=points[i], title=f"{photos.name[i]}{titles.get(i, '')}") for i in members]
        for kind, members in chosen.items()
    }
    return {kind: row for kind, row in sheet.items() if row}


def spot(photos: right_whale.Photos, row: int, *, points: np.ndarray, title: str) -> Spot:
    """The part of a photo around its annotated and its predicted (2, 2) points, in photo pixels."""
    size, true = photos.size[row][::-1], photos.points[row]  # x, y
    head = true if np.isfinite(true).all() else points
    marks = np.concatenate([head, points])
    low, high = marks.min(0), marks.max(0)
    width = max(AROUND * np.linalg.norm(head[0] - head[1]), 1.3 * max(high - low) * SPOT_ASPECT, SPOT_WIDTH / 10)
    extent = np.array([1, 1 / SPOT_ASPECT]) * min(width, size[0], size[1] * SPOT_ASPECT)
    scale = min(1.0, SPOT_WIDTH / extent[0])
    start = np.floor(np.clip((low + high - extent) / 2, 0, size - extent) * scale)
    end = np.minimum(start + np.floor(extent * scale), np.rint(size * scale))
    picture = render.decode(photos.jpeg(row), (scale, scale), window=(*start, *end))
    (left, top), (right, bottom) = start / scale - 0.5, end / scale - 0.5
    return Spot(picture, (left, right, bottom, top), true, points, title)
