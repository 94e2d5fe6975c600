"""Sheets of pictures for a report: points on photos, heads of whales, saliency of a network."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from whale_jax.report.figures import GREY, HALO, ORANGE, figure_of


class Spot(NamedTuple):
    """A part of a photo with points on it.

    Attributes:
        image: (height, width, 3) uint8.
        extent: (left, right, bottom, top) its edges, in photo pixels.
        true, predicted: (2, 2) bonnet and blowhead as (x, y), in photo pixels; true is NaN where nobody annotated them.
        title: above it.
    """

    image: np.ndarray
    extent: tuple[float, float, float, float]
    true: np.ndarray
    predicted: np.ndarray
    title: str


class Head(NamedTuple):
    """One picture of a sheet of heads: (height, width, 3) uint8, its width over height as drawn, and a title."""

    image: np.ndarray
    aspect: float
    title: str


class Saliency(NamedTuple):
    """A picture and the parts of it that decided a network's answer.

    Attributes:
        image: (h, w, 3) uint8, the view.
        box: (4,) the head, in pixels of the view.
        occlusion: (h, w) loss of the true whale's probability while a pixel is hidden.
        gradients: (h, w) share of a pixel in its log probability.
        title: above it.
    """

    image: np.ndarray
    box: np.ndarray
    occlusion: np.ndarray
    gradients: np.ndarray
    title: str


def point_sheet(rows: Mapping[str, Sequence[Spot]], title: str) -> Figure:
    """Annotated and predicted points on parts of photos, a row a kind (best, median, worst, not annotated)."""
    columns = max(map(len, rows.values()))
    figure = figure_of(title, width=0.4 + 3.1 * columns, height=0.8 + 2.28 * len(rows))
    for axes, (kind, spots) in zip(figure.subplots(len(rows), columns, squeeze=False), rows.items(), strict=True):
        for ax in axes:
            _bare(ax)
        axes[0].set_ylabel(kind, fontweight="bold", fontsize=11)
        for ax, spot in zip(axes, spots, strict=False):
            ax.imshow(spot.image, extent=spot.extent, interpolation="bicubic")
            ax.set_title(spot.title, fontsize=9, fontweight="normal", loc="center")
            for points, colour in ((spot.true, "white"), (spot.predicted, ORANGE)):
                ax.plot(*points.T, color=colour, lw=1, path_effects=HALO)
                for point, marker in zip(points, "os", strict=True):
                    ax.plot(*point, marker, mfc="none", mec=colour, ms=9, mew=1.3, path_effects=HALO)
            ax.set(xlim=spot.extent[:2], ylim=spot.extent[2:])
    look = {"mfc": "none", "mec": GREY, "ls": "", "ms": 8, "mew": 1.5}
    handles = [
        Line2D([], [], color="white", lw=2, path_effects=HALO, label="annotated"),
        Line2D([], [], color=ORANGE, lw=2, path_effects=HALO, label="predicted"),
        Line2D([], [], marker="o", label="bonnet", **look),
        Line2D([], [], marker="s", label="blowhead", **look),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def head_sheet(rows: Mapping[str, Sequence[Head]], title: str) -> Figure:
    """Heads of whales (whaleID -> pictures), a row a whale, each in a place of the median head's shape."""
    columns = max(map(len, rows.values()))
    cell = np.median([head.aspect for heads in rows.values() for head in heads]).clip(0.5, 3)  # width over height
    width = 1.1 + 0.5 * cell
    figure = figure_of(title, width=0.3 + width * columns, height=0.35 + (width / cell + 0.14) * len(rows))
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    for axes, (whale, heads) in zip(figure.subplots(len(rows), columns, squeeze=False), rows.items(), strict=True):
        for ax in axes:
            _bare(ax)
            ax.set_box_aspect(1 / cell)
        axes[0].set_ylabel(whale, fontsize=9, fontweight="bold")
        for ax, head in zip(axes, heads, strict=False):
            ax.imshow(head.image, extent=(0, head.aspect, 0, 1), interpolation="bicubic")
            ax.set_title(head.title, fontsize=7.5, fontweight="normal", color=GREY, loc="center", pad=2)
    return figure


def saliency_sheet(maps: Sequence[Saliency], aspects: np.ndarray, *, title: str) -> Figure:
    """Pictures with the head box, and their saliency over them: a column a photo, a row a method.

    Args:
        maps: n pictures.
        aspects: (n,) the width over height at which each is drawn.
        title: of the figure.
    """
    rows = {"photo": None, "occlusion": "occlusion", "gradients": "gradients"}
    height, width = maps[0].image.shape[:2]
    row_height = 0.25 + 2.1 / np.median(aspects)
    figure = figure_of(title, width=0.4 + 2.1 * len(maps), height=0.6 + 3 * row_height)
    for axes, (kind, name) in zip(figure.subplots(3, len(maps), squeeze=False), rows.items(), strict=True):
        axes[0].set_ylabel(kind, fontweight="bold", fontsize=11)
        for ax, saliency, aspect in zip(axes, maps, aspects, strict=True):
            _bare(ax)
            if name:
                strength = np.maximum(getattr(saliency, name), 0)
                ax.imshow(saliency.image.mean(-1), cmap="gray")
                ax.imshow(strength, cmap="inferno", alpha=np.sqrt(strength / max(strength.max(), 1e-12)))
            else:
                ax.imshow(saliency.image)
                ax.set_title(saliency.title, fontsize=9, fontweight="normal", loc="center")
            x, y, w, h = saliency.box
            ax.add_patch(Rectangle((x, y), w, h, fill=False, ec="white", lw=1, path_effects=HALO))
            ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect=width / height / aspect)
    return figure


def _bare(ax: Axes) -> None:
    """Axes for a picture: no frame, no ticks, no grid."""
    ax.grid(visible=False)
    ax.set(xticks=[], yticks=[], facecolor="none")
    ax.spines[:].set_visible(False)
