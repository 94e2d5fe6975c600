"""The pictures of a report: from finished stages to what `figures` draws."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from whale_jax import geometry
from whale_jax.data import images, predictions, right_whale, splits
from whale_jax.evaluation import metrics
from whale_jax.report import figures, sheets
from whale_jax.report.figures import BLUE, GREEN, ORANGE, RED, SKY, Line, Panel
from whale_jax.report.sheets import Head, Spot
from whale_jax.runtime import errors, storage
from whale_jax.train import log
from whale_jax.workflow import finished_runs, renamed
from whale_jax.workflow.finished_runs import Stage

Look = tuple[str, str]  # what a network is called, and its colour
CLASSIFIERS: dict[str, Look] = {
    "naive_classifier": ("naive: whole photo", ORANGE),
    "boxed_classifier": ("boxed head", GREEN),
    "aligned_classifier": ("aligned head", BLUE),
}
BOXES: dict[str, Look] = {
    "localizer": ("localizer, first look", ORANGE),
    "localizer_refined": ("localizer, second look", RED),
}
LOOKS: dict[str, Look] = {
    "aligner": ("aligner, first look", SKY),
    "refined": ("aligner, second look", BLUE),
    "third": ("aligner, third look", GREEN),  # by the networks of the second
}
VIEWS = {"aligned": "Aligned heads", "boxed": "Boxed heads"}

SHEET = (6, 6)  # whales, and photos of each
HEAD_HEIGHT = 160  # pixels of a head, more than a network may see of it
SPOTS = 4  # photos in each row of the best, the median and the worst points
AROUND = 3.2  # head lengths from one side of the part of a photo to the other, at least
SPOT_WIDTH = 480  # pixels that it is decoded to
SPOT_ASPECT = 1.5  # its width over height


def draw(found: Mapping[str, Stage]) -> Iterator[tuple]:
    """(name, function of `figures`, arguments ...) of every picture that the stages there allow."""
    yield from classifier_curves(found)
    yield from finder_curves(found)
    needing = [name for name in (*BOXES, *LOOKS, *VIEWS) if name in found]
    if needing and "photos" not in found:
        raise errors.InputError(f"inputs.photos is empty, and the pictures of {', '.join(needing)} need the photos")
    if needing:
        photos = right_whale.load(found["photos"].folder)
        yield from box_pictures(found, photos)
        yield from point_pictures(found, photos)
        yield from head_sheets(found, photos)
        yield from likeliest_sheet(found, photos)


def classifier_curves(found: Mapping[str, Stage]) -> Iterator[tuple]:
    """Log loss and top-1 of all classifiers during training."""
    there = {look: found[name] for name, look in CLASSIFIERS.items() if name in found}
    if there:
        guess = float(np.log(found["photos"].result["whales"])) if "photos" in found else None
        every = finished_runs.ancestors(found.values())
        used = {look: finished_runs.weights(one, every) for look, one in there.items()}
        loss, top1 = (
            [line for look, one in there.items() for line in lines(one, look, *keys, weights=used[look])]
            for keys in (("train/loss", "valid/log_loss"), ("valid/top1",))
        )
        panels = Panel("Log loss", loss, guess=guess), Panel("Top-1: share of photos named right", top1, share=True)
        yield "curves_classifiers", figures.curves, [[panel] for panel in panels], "Training of the classifiers"


def finder_curves(found: Mapping[str, Stage]) -> Iterator[tuple]:
    """Loss and metric of localizer and aligner during training, every part of the cross-fit; a column for each look."""
    kinds = {"localizer": (BOXES, "valid/iou", "mean IoU")}
    kinds["aligner"] = (LOOKS, "valid/point_error", "mean error (head lengths)")
    for kind, (looks, key, unit) in kinds.items():
        columns = []
        for name in looks:
            if name not in found or "num_subfolds" not in found[name].config:
                continue
            loss = lines(found[name], looks[name], "train/loss", "valid/loss")
            metric = lines(found[name], looks[name], key)
            label = looks[name][0].capitalize()
            values = [y for line in loss for y in line.y]
            wide = bool(values) and max(values) > 30 * min(values)  # squared errors of 0..1 fall by orders of magnitude
            columns.append([Panel(f"{label}: loss", loss, log=wide), Panel(f"{label}: {unit}", metric)])
        if columns:
            yield f"curves_{kind}", figures.curves, columns, f"Training of the {kind}: a curve a part of the cross-fit"


def lines(one: Stage, look: Look, *keys: str, timed: bool = False, weights: str = "best") -> list[Line]:
    """A curve for each of the columns `keys` of a training's metrics.jsonl, or of each part's of a cross-fit.

    It is drawn against epochs or, `timed`, against minutes, which is fair to recipes whose steps take longer. A curve
    is marked where the `weights`, "best" or "last", were reached; a cross-fit says itself which of them it uses.
    """
    if one.result["program"] == "crossfit":
        parts = [
            finished_runs.read(renamed.subfold_folder(one.folder, part)) for part in range(one.config["num_subfolds"])
        ]
        own = one.config.get("weights", "best")
        return [line for part in parts for line in lines(part, look, *keys, timed=timed, weights=own)]
    training = one.result["training"]
    examples = 60 * training["images_per_second"] if timed else one.result["trained_on"]
    unit = examples / one.config["batch"]  # in steps
    best = training["best_step"] / unit
    with storage.reading(one.folder / "metrics.jsonl"):
        rows = log.read(one.folder)
    pairs = {key: [(row["step"] / unit, row[key]) for row in rows if key in row] for key in keys}
    drawn = []
    for key, xy in pairs.items():
        if xy:
            (x, y), valid = zip(*xy, strict=True), key.startswith("valid/")
            used = best if weights == "best" else x[-1]
            drawn.append(Line(x, y, *look, valid, used if valid else None))
    return drawn


def box_pictures(found: Mapping[str, Stage], photos: right_whale.Photos) -> Iterator[tuple]:
    """Histogram of the localizer's IoU, of its last look, over all photos with an annotated box; no answer is 0."""
    known, looks = np.isfinite(photos.box).all(1), [found[name] for name in BOXES if name in found]
    if looks and known.any():
        box = predictions.load(looks[-1].folder, photos, kind="box")
        yield "iou", figures.iou_histogram, np.nan_to_num(geometry.iou(box[known], photos.box[known]))


def point_pictures(found: Mapping[str, Stage], photos: right_whale.Photos) -> Iterator[tuple]:
    """Errors of the aligner's looks, and a sheet of photos with points for each."""
    known = np.flatnonzero(np.isfinite(photos.points).all((1, 2)))
    looks = {name: predictions.load(found[name].folder, photos, kind="points") for name in LOOKS if name in found}
    error = {name: np.asarray(metrics.point_error(p[known], photos.points[known])) for name, p in looks.items()}
    if looks and len(known):
        yield "point_error", figures.error_curves, [(*LOOKS[name], error[name]) for name in looks]
    for name, points in looks.items():
        if rows := spots(photos, points, known, error[name]):
            title = f"{LOOKS[name][0].capitalize()}, on photos that it was not trained on"
            measure = ": error in head lengths (mean distance of the two points)" if len(known) else ""
            yield f"points_{name}", sheets.point_sheet, rows, title + measure


def spots(
    photos: right_whale.Photos, points: np.ndarray, known: np.ndarray, error: np.ndarray
) -> dict[str, list[Spot]]:
    """Photos with the best, median and worst of the (n,) errors of the (n,) rows `known`, and some not annotated."""
    order = known[np.argsort(error)[: np.isfinite(error).sum()]]
    count = min(SPOTS, max(1, len(order) // 3))
    middle = (len(order) - count) // 2
    chosen = {"best": order[:count], "median": order[middle : middle + count], "worst": order[-count:]}
    found = np.flatnonzero(np.isfinite(points).all((1, 2)))
    chosen["not annotated"] = _evenly(np.setdiff1d(found, known), SPOTS)
    titles = dict(zip(known, (f": {value:.3f}" for value in error), strict=True))
    rows = {
        kind: [spot(photos, i, points[i], f"{photos.name[i]}{titles.get(i, '')}") for i in some]
        for kind, some in chosen.items()
    }
    return {kind: some for kind, some in rows.items() if some}


def spot(photos: right_whale.Photos, row: int, points: np.ndarray, title: str) -> Spot:
    """The part of a photo around its annotated and predicted points."""
    size, true = photos.size[row][::-1], photos.points[row]  # x, y
    own = true if np.isfinite(true).all() else points
    both = np.concatenate([own, points])
    low, high = both.min(0), both.max(0)
    width = max(AROUND * np.linalg.norm(own[0] - own[1]), 1.3 * max(high - low) * SPOT_ASPECT, SPOT_WIDTH / 10)
    extent = np.array([1, 1 / SPOT_ASPECT]) * min(width, size[0], size[1] * SPOT_ASPECT)
    scale = min(1.0, SPOT_WIDTH / extent[0])
    start = np.floor(np.clip((low + high - extent) / 2, 0, size - extent) * scale)
    end = np.minimum(start + np.floor(extent * scale), np.rint(size * scale))
    picture = images.decode(photos.jpeg(row), (scale, scale), window=(*start, *end))
    (left, top), (right, bottom) = start / scale - 0.5, end / scale - 0.5
    return Spot(picture, (left, right, bottom, top), true, points, title)


def head_sheets(found: Mapping[str, Stage], photos: right_whale.Photos) -> Iterator[tuple]:
    """The same photos of the same whales, as aligned and as boxed heads; where no whale is named, photos in order."""
    views = {name: images.load(found[name].folder) for name in VIEWS if name in found}
    label, names = photos.label, photos.whales
    if not names:
        part = np.arange(len(label)) // max(1, len(label) // SHEET[0])
        label, names = np.where(part < SHEET[0], part, -1), [f"part {i + 1}" for i in range(SHEET[0])]
    usable = label >= 0
    for view in views.values():
        usable = usable & view.pictured
    group = splits.load(found["split"].folder, photos).group if "split" in found else np.arange(len(photos.name))
    chosen = choose(label, group, usable)
    for name, view in views.items():
        if chosen:
            aspect = head_aspect(found[name], view)
            rows = {
                names[whale]: heads(photos, view, some, aspect, photos.name[some]) for whale, some in chosen.items()
            }
            cell = np.median([head.aspect for some in rows.values() for head in some]).clip(0.5, 3)
            yield (
                f"{name}_heads",
                sheets.head_sheet,
                rows,
                VIEWS[name] + (", a whale a row" if photos.whales else ""),
                cell,
            )


def heads(
    photos: right_whale.Photos, view: images.View, rows: np.ndarray, aspect: np.ndarray, titles: Iterable[str]
) -> list[Head]:
    """What a view shows of the photos of `rows`, for people to look at; (N,) `aspect` is of every photo."""
    pictures = images.again(photos, view, rows, height=HEAD_HEIGHT)
    return [Head(*one) for one in zip(pictures, aspect[rows].tolist(), titles, strict=True)]


def likeliest_sheet(found: Mapping[str, Stage], photos: right_whale.Photos) -> Iterator[tuple]:
    """Photos that were asked about, from the surest answer to the least sure, and a photo of each likeliest whale."""
    table = found["submission"].folder / "likeliest.csv" if "submission" in found else None
    if "aligned" not in found or not table or not table.exists():  # submissions were made without it once
        return
    with storage.reading(table), table.open(newline="", encoding="utf-8") as file:
        answers = list(csv.reader(file))[1:]
    view = images.load(found["aligned"].folder)
    aspect = head_aspect(found["aligned"], view)
    row = {photos.name[i]: i for i in np.flatnonzero(view.pictured).tolist()}
    example = {photos.whale[i]: i for i in reversed(row.values())}  # the first photo of each whale
    answers = sorted((cells for cells in answers if cells[0] in row), key=lambda cells: -float(cells[2]))
    rows = {}
    for name, *cells in _evenly(answers, SHEET[0]).tolist():
        titles = {name: "who is it?"} | {
            photos.name[example[whale]]: f"{whale}: {float(p):.1%}"
            for whale, p in zip(cells[::2], cells[1::2], strict=True)
            if whale in example
        }
        rows[name] = heads(photos, view, np.array([row[n] for n in titles]), aspect, titles.values())
    if rows:
        cell = np.median([head.aspect for some in rows.values() for head in some]).clip(0.5, 3)
        yield "likeliest", sheets.head_sheet, rows, "Who is it? The likeliest whales, each by a photo of it", cell


def choose(label: np.ndarray, group: np.ndarray, usable: np.ndarray) -> dict[int, np.ndarray]:
    """Whale -> rows of its photos: whales with enough photos, of each burst the first, evenly over all there are.

    Args:
        label: (N,) whale, -1 where unlabelled.
        group: (N,) int, equal for photos of one burst or encounter.
        usable: (N,) bool, whether the photo may be chosen.
    """
    rows = np.flatnonzero(usable)
    rows = rows[np.sort(np.unique(np.stack([label, group])[:, rows], axis=1, return_index=True)[1])]
    whales, counts = np.unique(label[rows], return_counts=True)
    enough = whales[counts >= min(SHEET[1], counts.max(initial=0))]
    return {int(whale): _evenly(rows[label[rows] == whale], SHEET[1]) for whale in _evenly(enough, SHEET[0])}


def _evenly(items: Sequence, count: int) -> np.ndarray:
    return np.asarray(items)[np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)]


def head_aspect(one: Stage, view: images.View) -> np.ndarray:
    """(N,) width over height at which people should see the heads of a view.

    Where a view shows all of each photo, these are ready crops, which may be stored squashed: the config of the view
    says how wide they should be.
    """
    if one.config["frame"] == "whole":
        return np.full(len(view.images), one.config["aspect"])
    return true_aspect(view)


def true_aspect(view: images.View) -> np.ndarray:
    """(N,) width over height that the pictures of a view have in their photos; a network may see them squashed."""
    height, width = view.images.shape[1:3]
    across = np.linalg.norm(np.asarray(geometry.invert(view.matrices))[:, :2, :2], axis=1)  # photo pixels a view pixel
    return (across[:, 0] * width / (across[:, 1] * height)).clip(0.2, 5)  # even of a box that is next to nothing
