"""Sheets of heads for a report: the same whales in both views, and the likeliest whales of the submission.

Each function `of_...` yields (name, function that draws, its arguments ...), as `pictures` does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from whale_jax import geometry
from whale_jax.data import images, right_whale, splits, tables
from whale_jax.report import sheets
from whale_jax.report.sheets import Head
from whale_jax.workflow.finished_runs import Stage

VIEWS = {"aligned": "Aligned heads", "boxed": "Boxed heads"}
SHEET = (6, 6)  # whales, and photos of each
HEAD_HEIGHT = 160  # pixels of a head, more than a network may see of it


def of_whales(stages: Mapping[str, Stage], photos: right_whale.Photos) -> Iterator[tuple]:
    """The same photos of the same whales, as aligned and as boxed heads; where no whale is named, photos in order."""
    views = {name: images.load(stages[name].folder) for name in VIEWS if name in stages}
    label, names = photos.label, photos.whales
    if not names:
        section = np.arange(len(label)) // max(1, len(label) // SHEET[0])
        label, names = np.where(section < SHEET[0], section, -1), [f"part {i + 1}" for i in range(SHEET[0])]
    usable = label >= 0
    for view in views.values():
        usable = usable & view.pictured
    group = splits.load(stages["split"].folder, photos).group if "split" in stages else np.arange(len(photos.name))
    chosen = choose(label, group, usable=usable)
    for name, view in views.items():
        if chosen:
            aspect = head_aspect(stages[name], view)
            rows = {
                names[whale]: cut(photos, view, rows=members, aspect=aspect, titles=photos.name[members])
                for whale, members in chosen.items()
            }
            title = VIEWS[name] + (", a whale a row" if photos.whales else "")
            yield f"{name}_heads", sheets.head_sheet, rows, title


def of_likeliest(stages: Mapping[str, Stage], photos: right_whale.Photos) -> Iterator[tuple]:
    """Photos of the submission, from the surest answer to the least sure, with a photo of each likeliest whale."""
    if not {"aligned", "submission"} <= stages.keys():
        return
    table = stages["submission"].folder / "likeliest.csv"
    answers = [[*row.values()] for row in tables.read(table, ("Image",))]
    view = images.load(stages["aligned"].folder)
    aspect = head_aspect(stages["aligned"], view)
    row = {photos.name[i]: i for i in np.flatnonzero(view.pictured).tolist()}
    example = {photos.whale[i]: i for i in reversed(row.values())}  # the first photo of each whale
    answers = sorted((cells for cells in answers if cells[0] in row), key=lambda cells: -float(cells[2]))
    rows = {}
    for name, *cells in evenly(answers, SHEET[0]).tolist():
        titles = {name: "who is it?"} | {
            photos.name[example[whale]]: f"{whale}: {float(p):.1%}"
            for whale, p in zip(cells[::2], cells[1::2], strict=True)
            if whale in example
        }
        members = np.array([row[photo] for photo in titles])
        rows[name] = cut(photos, view, rows=members, aspect=aspect, titles=titles.values())
    if rows:
        title = "Who is it? The likeliest whales, each by a photo of it"
        yield "likeliest", sheets.head_sheet, rows, title


def cut(
    photos: right_whale.Photos, view: images.View, *, rows: np.ndarray, aspect: np.ndarray, titles: Iterable[str]
) -> list[Head]:
    """The heads that a view shows of the (n,) photos `rows`, for people to look at; (N,) `aspect` is of all photos."""
    pictures = images.enlarge(photos, view, rows=rows, height=HEAD_HEIGHT)
    return [Head(*head) for head in zip(pictures, aspect[rows].tolist(), titles, strict=True)]


def choose(label: np.ndarray, group: np.ndarray, *, usable: np.ndarray) -> dict[int, np.ndarray]:
    """Whale -> rows of its photos: whales with enough photos, of each burst the first, evenly over all of them.

    Args:
        label: (N,) whale, -1 where unlabelled.
        group: (N,) int, equal for photos of one burst or encounter.
        usable: (N,) bool, whether the photo may be chosen.
    """
    rows = np.flatnonzero(usable)
    rows = rows[np.sort(np.unique(np.stack([label, group])[:, rows], axis=1, return_index=True)[1])]
    whales, counts = np.unique(label[rows], return_counts=True)
    enough = whales[counts >= min(SHEET[1], counts.max(initial=0))]
    return {int(whale): evenly(rows[label[rows] == whale], SHEET[1]) for whale in evenly(enough, SHEET[0])}


def evenly(items: Sequence, count: int) -> np.ndarray:
    """(count,) of the items, or all if they are fewer, spread evenly from the first to the last."""
    return np.asarray(items)[np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)]


def head_aspect(stage: Stage, view: images.View) -> np.ndarray:
    """(N,) width over height at which people should see the heads of a view.

    Where a view shows all of each photo, these are ready crops, which may be stored squashed: the config of the view
    says how wide they should be.
    """
    if stage.config["frame"] == "whole":
        return np.full(len(view.images), stage.config["aspect"])
    return true_aspect(view)


def true_aspect(view: images.View) -> np.ndarray:
    """(N,) width over height that the pictures of a view have in their photos; a network may see them squashed."""
    height, width = view.images.shape[1:3]
    across = np.linalg.norm(np.asarray(geometry.invert(view.matrices))[:, :2, :2], axis=1)  # photo pixels a view pixel
    return (across[:, 0] * width / (across[:, 1] * height)).clip(0.2, 5)  # even of a box that is next to nothing
