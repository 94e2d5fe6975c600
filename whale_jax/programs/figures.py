"""The drawing of every picture in a report. Functions take arrays and return matplotlib Figures; `save` sets the style."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

# Okabe and Ito's palette, which the colour-blind can tell apart: a thing has one colour in all pictures.
ORANGE, GREEN, BLUE, SKY, RED = "#E69F00", "#009E73", "#0072B2", "#56B4E9", "#D55E00"
GREY = "#5F6368"
STYLE = {
    "figure.dpi": 150,
    "figure.facecolor": "white",
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E6E8",
    "grid.linewidth": 0.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}
HALO = [patheffects.withStroke(linewidth=3, foreground="black", alpha=0.65)]


class Line(NamedTuple):
    """One curve of a panel.

    Attributes:
        x, y: (n,) values; x in passes over the training photos.
        name: for the legend; lines that share it stand there once.
        colour: of the line.
        valid: whether it was measured on the photos validated on, else on those trained on.
        best: x of the weights that were kept, None where nothing is marked.
    """

    x: Sequence[float]
    y: Sequence[float]
    name: str
    colour: str
    valid: bool = True
    best: float | None = None


class Panel(NamedTuple):
    """One pair of axes with curves.

    Attributes:
        title: above it.
        unit: what is on its y axis.
        lines: the curves.
        guess: the value of a guess at random, drawn across; None for none.
        share: whether y is a share of all photos, 0..1.
    """

    title: str
    unit: str
    lines: list[Line]
    guess: float | None = None
    share: bool = False


class Spot(NamedTuple):
    """A part of a photo with points on it.

    Attributes:
        image: (height, width, 3) uint8.
        extent: (left, right, bottom, top) its edges, in photo pixels.
        true, found: (2, 2) bonnet and blowhead as (x, y), in photo pixels.
        title: above it.
    """

    image: np.ndarray
    extent: tuple[float, float, float, float]
    true: np.ndarray
    found: np.ndarray
    title: str


class Head(NamedTuple):
    """One picture of a sheet of heads: (height, width, 3) uint8, its width over height as drawn, and a title."""

    image: np.ndarray
    aspect: float
    title: str


def save(path: Path, draw: Callable[..., Figure], *args: Any, **kwargs: Any) -> None:
    """Draws in our style and writes a PNG, by way of a temporary name."""
    partial = path.with_name(path.name + ".tmp")
    with matplotlib.rc_context(STYLE):
        figure = draw(*args, **kwargs)
        FigureCanvasAgg(figure)
        figure.savefig(partial, format="png")
    partial.replace(path)


def curves(columns: Sequence[Sequence[Panel]], *, title: str) -> Figure:
    """Training curves, one column of panels a network or metric: thin for training, with dots for validation."""
    rows = max(map(len, columns))
    figure = Figure(figsize=(0.4 + 4.4 * max(len(columns), 1), 0.9 + 3.0 * rows), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    grid = figure.subplots(rows, len(columns), squeeze=False)
    for axes, column in zip(grid.T, columns, strict=True):
        for ax, panel in zip(axes, column, strict=False):
            _panel(ax, panel)
        for ax in axes[len(column) :]:
            ax.set_axis_off()
        axes[len(column) - 1].set_xlabel("epochs")
    styles = {"training (augmented photos)": {"lw": 1, "alpha": 0.6}, "validation": {"marker": "o", "ms": 4}}
    shown = [Line2D([], [], color=GREY, label=label, **style) for label, style in styles.items()]
    shown.append(Line2D([], [], color=GREY, ls="", marker="o", ms=9, mfc="none", label="weights kept"))
    names = {line.name: line.colour for column in columns for panel in column for line in panel.lines if line.name}
    shown = [Line2D([], [], color=colour, lw=3, label=name) for name, colour in names.items()] + shown
    figure.legend(handles=shown, loc="outside lower center", ncols=min(len(shown), 1 + 2 * len(columns)))
    return figure


def _panel(ax: Axes, panel: Panel) -> None:
    """Draws one panel of training curves."""
    for line in panel.lines:
        look = {"marker": "o", "ms": 4} if line.valid else {"lw": 1, "alpha": 0.6, "zorder": 1.9}
        ax.plot(line.x, line.y, color=line.colour, **look)
        if line.best is not None and len(line.x):
            at = int(np.argmin(np.abs(np.asarray(line.x) - line.best)))
            ax.plot(line.x[at], line.y[at], "o", ms=9, mfc="none", color=line.colour)
    if panel.guess is not None:
        ax.axhline(panel.guess, color=GREY, ls=(0, (2, 2)), lw=1.2)
        ax.annotate("a guess", (1, panel.guess), (0, 3), "axes fraction", textcoords="offset points", ha="right", color=GREY)
    ax.set(title=panel.title, ylabel=panel.unit)
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if panel.share:
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def iou_histogram(overlap: np.ndarray) -> Figure:
    """How many photos have which (n,) overlap of the predicted with the annotated box."""
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    ax = figure.subplots()
    ax.hist(overlap, bins=np.linspace(0, 1, 21), color=SKY, edgecolor="white", linewidth=0.8)
    ax.axvline(np.median(overlap), color=RED, lw=1.8)
    left = np.median(overlap) > 0.5
    ax.annotate(
        f"median {np.median(overlap):.2f}", (np.median(overlap), 1), (-6 if left else 6, -4), ("data", "axes fraction"),
        textcoords="offset points", ha="right" if left else "left", va="top", color=RED, fontweight="bold",
    )  # fmt: skip
    share = f"{len(overlap):,} photos, out of fold: mean {overlap.mean():.2f}, {(overlap > 0.5).mean():.0%} above 0.5"
    ax.set(title=f"Head boxes: predicted against annotated\n{share}", xlim=(0, 1))
    ax.set(xlabel="intersection over union (IoU)", ylabel="photos")
    ax.grid(axis="x", visible=False)
    return figure


def error_curves(errors: Mapping[str, np.ndarray], colours: Mapping[str, str]) -> Figure:
    """Share of photos whose (n,) point error is at most so much, a curve a look; NaN counts as far off."""
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    ax = figure.subplots()
    for name, error in errors.items():
        found = np.sort(np.nan_to_num(error, nan=np.inf))
        share = np.arange(1, len(found) + 1) / len(found)
        label = f"{name}: {(found <= 0.1).mean():.0%} within 0.1"
        ax.plot(np.maximum(found, 1e-3), share, drawstyle="steps-post", color=colours[name], label=label)
    for limit in (0.05, 0.1):
        ax.axvline(limit, color=GREY, ls=(0, (2, 2)), lw=1)
    number = len(next(iter(errors.values())))
    ax.set_title(f"Bonnet and blowhead: predicted against annotated\n{number:,} photos, out of fold")
    ax.set(xscale="log", xlim=(0.005, 5), ylim=(0, 1.02), xlabel="point error (head lengths)", ylabel="share of photos")
    ax.set_xticks([0.01, 0.05, 0.1, 0.5, 1, 5], ["0.01", "0.05", "0.1", "0.5", "1", "5"])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(loc="upper left")
    return figure


def point_sheet(rows: Mapping[str, Sequence[Spot]], *, title: str) -> Figure:
    """Annotated and predicted points on parts of photos, a row a kind (best, median, worst)."""
    columns = max(map(len, rows.values()))
    figure = Figure(figsize=(0.4 + 3.1 * columns, 0.9 + 2.4 * len(rows)), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    for axes, (kind, spots) in zip(figure.subplots(len(rows), columns, squeeze=False), rows.items(), strict=True):
        for ax in axes:
            _bare(ax)
        axes[0].set_ylabel(kind, fontweight="bold", fontsize=11)
        for ax, spot in zip(axes, spots, strict=False):
            ax.imshow(spot.image, extent=spot.extent, interpolation="antialiased")
            ax.set_title(spot.title, fontsize=9, fontweight="normal", loc="center")
            for points, colour in ((spot.true, "white"), (spot.found, ORANGE)):
                ax.plot(*points.T, color=colour, lw=1.2, path_effects=HALO)
                for point, marker in zip(points, "os", strict=True):
                    ax.plot(*point, marker, mfc="none", mec=colour, ms=8, mew=1.5, path_effects=HALO)
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


def head_sheet(
    rows: Mapping[str, Sequence[Head]], *, title: str, cell: float, marks: Mapping[str, float] | None = None
) -> Figure:
    """Heads, a row a whale.

    Args:
        rows: whaleID -> pictures.
        title: above all.
        cell: width over height of the place for a picture.
        marks: what lies at which fraction of a picture's width, named under the last row.
    """
    columns = max(map(len, rows.values()))
    width = 1.1 + 0.3 * cell
    figure = Figure(figsize=(0.5 + width * columns, 0.6 + (width / cell + 0.22) * len(rows)), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02)
    figure.suptitle(title, x=0.01, ha="left")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes, (whale, heads) in zip(grid, rows.items(), strict=True):
        for ax in axes:
            _bare(ax)
            ax.set_box_aspect(1 / cell)
        axes[0].set_ylabel(whale, fontsize=9, fontweight="bold")
        for ax, head in zip(axes, heads, strict=False):
            ax.imshow(head.image, extent=(0, head.aspect, 0, 1), interpolation="antialiased")
            ax.set_title(head.title, fontsize=7.5, fontweight="normal", color=GREY, loc="center", pad=2)
    for ax, head in zip(grid[-1], list(rows.values())[-1], strict=False):
        ax.set_xticks([place * head.aspect for place in (marks or {}).values()], list(marks or {}), fontsize=8)
    return figure


def _bare(ax: Axes) -> None:
    """Axes for a picture: no frame, no ticks, no grid."""
    ax.grid(visible=False)
    ax.set(xticks=[], yticks=[], facecolor="none")
    ax.spines[:].set_visible(False)
