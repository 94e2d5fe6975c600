"""The drawing of a report's pictures: functions take arrays and return Figures; `save` sets the style they share."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter, StrMethodFormatter

from whale_jax.runtime import storage

# Okabe and Ito's palette, which the colour-blind can tell apart: a thing has one colour in all pictures.
ORANGE, GREEN, BLUE, SKY, RED = "#E69F00", "#009E73", "#0072B2", "#56B4E9", "#D55E00"
GREY = "#5F6368"
PALETTE = (BLUE, RED, GREEN, ORANGE, SKY, GREY)
STYLE = {
    "figure.dpi": 150,
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E6E8",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "text.parse_math": False,  # names of photos and whales are what they are
}
HALO = [patheffects.withStroke(linewidth=3, foreground="#202020")]
TRAINING = {"lw": 1, "alpha": 0.6, "zorder": 1.9}
VALIDATION = {"marker": "o", "ms": 4}
USED = {"marker": "o", "ms": 9, "mfc": "none", "ls": ""}
GUESS = {"ls": (0, (2, 2)), "lw": 1.2}


class Line(NamedTuple):
    """One curve of a panel.

    Attributes:
        x, y: (n,) values; x in passes over the training photos.
        name: for the legend; lines that share it stand there once.
        colour: of the line.
        valid: whether it was measured on the photos validated on, else on those trained on.
        used: x of the weights that are used, None where nothing is marked.
    """

    x: Sequence[float]
    y: Sequence[float]
    name: str
    colour: str
    valid: bool = True
    used: float | None = None


def palette(count: int) -> Sequence[Any]:
    """So many colours that can be told apart."""
    return PALETTE[:count] if count <= len(PALETTE) else matplotlib.colormaps["turbo"](np.linspace(0.02, 0.98, count))


class Panel(NamedTuple):
    """One pair of axes with curves.

    Attributes:
        title: what is on the y axis, with its unit.
        lines: the curves.
        guess: the value of a guess at random, drawn across; None for none.
        share: whether y is a share of all photos, 0..1.
        log: whether y is drawn logarithmically.
    """

    title: str
    lines: list[Line]
    guess: float | None = None
    share: bool = False
    log: bool = False


def save(path: Path, draw: Callable[..., Figure], *args: Any, **kwargs: Any) -> None:
    """Draws in our style and writes a whole PNG."""
    with storage.replacing(path) as partial, matplotlib.rc_context(STYLE):
        figure = draw(*args, **kwargs)
        FigureCanvasAgg(figure)
        figure.savefig(partial, format="png")


def curves(columns: Sequence[Sequence[Panel]], title: str, unit: str = "epochs") -> Figure:
    """Training curves in columns of equally many panels: thin while training, with dots for validation."""
    rows = len(columns[0])
    names = max(({line.name: line.colour for line in panel.lines} for column in columns for panel in column), key=len)
    lines = -(-len(names) // len(columns)) if len(names) > 3 else 2  # of the legend
    figure = figure_of(0.4 + 4.4 * len(columns), 0.6 + 0.25 * lines + 2.8 * rows, title)
    for axes, column in zip(figure.subplots(rows, len(columns), squeeze=False).T, columns, strict=True):
        for ax, panel in zip(axes, column, strict=True):
            _panel(ax, panel)
        axes[-1].set_xlabel(unit)
    looks = {"training, on augmented photos": TRAINING, "validation": VALIDATION, "weights that are used": USED}
    looks |= {"a guess": GUESS} if any(panel.guess is not None for column in columns for panel in column) else {}
    handles = [Line2D([], [], color=GREY, label=label, **look) for label, look in looks.items()]
    named = [Line2D([], [], color=colour, lw=4, label=name) for name, colour in names.items()]
    if 1 < len(names) <= len(looks):  # a row of its own above; a legend is filled column by column
        named += [Line2D([], [], ls="", label=" ")] * (len(looks) - len(names))
        handles = [handle for pair in zip(named, handles, strict=True) for handle in pair]
    elif len(names) > 1:
        handles = named
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(looks) if len(names) <= len(looks) else len(columns)
    )
    return figure


def _panel(ax: Axes, panel: Panel) -> None:
    """Draws one panel of training curves."""
    for line in panel.lines:
        ax.plot(line.x, line.y, color=line.colour, **(VALIDATION if line.valid else TRAINING))
        if line.used is not None:
            at = int(np.argmin(np.abs(np.asarray(line.x) - line.used)))
            ax.plot(line.x[at], line.y[at], color=line.colour, clip_on=False, **USED)
    if panel.guess is not None:
        ax.axhline(panel.guess, color=GREY, **GUESS)
    end = max((line.x[-1] for line in panel.lines), default=1)
    values = [(x, y) for line in panel.lines for x, y in zip(line.x, line.y, strict=True)]
    settled = max((y for x, y in values if x > 0.05 * end), default=1)  # the very first losses may be huge
    top = max(min(max(y for _, y in values), 1.5 * settled), panel.guess or 0) if values else 1
    ax.set(title=panel.title, xlim=(0, 1.02 * end))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if panel.log:
        ax.set_yscale("log")
        _plain(ax.yaxis)
    else:
        ax.set_ylim(0, 1.08 * top or 1)
    if panel.share:
        ax.yaxis.set_major_formatter(PercentFormatter(1))


def _plain(axis: Axis) -> None:
    """Numbers on a logarithmic axis as they are: 100 and not a power, which STYLE would show as its source."""
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def iou_histogram(overlap: np.ndarray) -> Figure:
    """How many photos have which (n,) overlap of the predicted with the annotated box."""
    figure = figure_of(6.4, 4.2, "Head boxes: predicted against annotated")
    ax = figure.subplots()
    counts, *_ = ax.hist(overlap, bins=np.linspace(0, 1, 21), color=SKY, edgecolor="white", linewidth=0.8)
    median = np.median(overlap)
    ax.axvline(median, color="black", lw=1.5)
    side = {"ha": "right", "xytext": (-6, -3)} if median > 0.5 else {"ha": "left", "xytext": (6, -3)}
    place = {"xycoords": ax.get_xaxis_transform(), "textcoords": "offset points", "va": "top", **side}
    ax.annotate(f"median {median:.2f}", (median, 1), fontweight="bold", **place)
    spread = f"mean {overlap.mean():.2f}, {(overlap > 0.5).mean():.0%} above 0.5"
    ax.set_title(f"{len(overlap):,} photos, out of fold: {spread}", fontweight="normal")
    ax.set(xlabel="intersection over union (IoU)", ylabel="photos", xlim=(0, 1), ylim=(0, 1.12 * counts.max()))
    ax.grid(axis="x", visible=False)
    return figure


def error_curves(looks: Sequence[tuple[str, str, np.ndarray]]) -> Figure:
    """Share of photos whose point error is at most so much: a curve a (name, colour, (n,) errors); NaN is far off."""
    figure = figure_of(6.4, 4.4, "Bonnet and blowhead: predicted against annotated")
    ax = figure.subplots()
    for name, colour, error in looks:
        found = np.sort(np.nan_to_num(error, nan=np.inf))
        share = np.arange(1, len(found) + 1) / len(found)
        ax.plot(np.maximum(found, 1e-3), share, drawstyle="steps-post", color=colour, label=name)
    for limit in (0.05, 0.1):
        ax.axvline(limit, color=GREY, ls=(0, (2, 2)), lw=1.2)
    ax.set_title(f"{len(looks[0][2]):,} photos, out of fold; dashed: PCK@0.05 and PCK@0.1", fontweight="normal")
    ax.set(xscale="log", xlim=(0.005, 5), ylim=(0, 1))
    ax.set(xlabel="point error is at most (head lengths)", ylabel="share of photos")
    ax.set_xticks(ticks := [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5], [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def comparison(names: Sequence[str], values: Mapping[str, Sequence[Sequence[float]]], title: str) -> Figure:
    """A panel a metric, a line a recipe: a dot for every run and a stroke for their mean.

    Args:
        names: of the recipes, from top to bottom.
        values: metric -> for each recipe the values of its runs, if it has any.
        title: of the figure.
    """
    labels = ["\n".join(textwrap.wrap(name.replace("|", "| "), 44)) for name in names]
    figure = figure_of(4 + 2.4 * len(values), 1 + 0.3 * len(names) + 0.17 * "".join(labels).count("\n"), title)
    axes = figure.subplots(1, len(values), squeeze=False, sharey=True)[0]
    for ax, (metric, recipes) in zip(axes, values.items(), strict=True):
        for y, runs in enumerate(recipes):
            ax.plot(runs, [y] * len(runs), "o", color=BLUE, ms=5, alpha=0.6)
            if runs:
                ax.plot([np.mean(runs)] * 2, [y - 0.3, y + 0.3], color=RED, lw=2.5)
        ax.set_title(metric)
    axes[0].set_yticks(range(len(names)), labels)
    axes[0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def warp_curve(rows: Sequence[Mapping[str, float]]) -> Figure:
    """Point error against the number of warps, and what they cost; rows of {warps, metrics, photos_per_second}."""
    figure = figure_of(8.2, 3.6, "Test-time augmentation of the aligner")
    error, cost = figure.subplots(1, 2)
    warps = [row["warps"] for row in rows]
    for key, name, colour in (("point_error", "mean", RED), ("point_error_median", "median", BLUE)):
        error.plot(warps, [row[key] for row in rows], "o-", color=colour, label=name)
    error.set(title="Error (head lengths)", ylim=(0, None))
    error.legend()
    cost.plot(warps, [row["photos_per_second"] for row in rows], "o-", color=GREY)
    cost.set(title="Photos a second", yscale="log")
    _plain(cost.yaxis)
    for ax in (error, cost):
        ax.set(xscale="log", xlabel="warps a photo")
        ax.set_xticks(warps, map(str, warps), minor=False)
        ax.minorticks_off()
    return figure


def reliability_diagram(found: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Figure:
    """Accuracy against confidence, a panel a source: (bins,) confidence, accuracy and share of photos of each."""
    across = min(len(found), 4)  # of a source's panels, before and after, none is torn from the other
    down = -(-len(found) // across)
    figure = figure_of(0.4 + 3.2 * across, 0.4 + 3.2 * down, "Does confidence mean what it says?")
    axes = figure.subplots(down, across, squeeze=False)
    for ax in axes.flat[len(found) :]:
        ax.set_axis_off()
    for ax, (name, (confidence, accuracy, _)) in zip(axes.flat, found.items(), strict=False):
        top = 1.05 * max(confidence.max(), accuracy.max())
        ax.plot([0, top], [0, top], color=GREY, lw=1, ls="--")
        ax.plot(confidence, accuracy, "o-", color=BLUE, ms=4)
        ax.set(title=name, xlabel="confidence", xlim=(0, top), ylim=(0, top))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(4))
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy")
    return figure


def figure_of(width: float, height: float, title: str) -> Figure:
    """An empty figure of so many inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    return figure
