"""The style that all figures share, and training curves: functions return Figures, and `save` writes them."""

from collections.abc import Callable, Sequence
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

# Okabe and Ito's palette, which the colour-blind can tell apart. A network has one colour in all pictures.
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
    "text.parse_math": False,  # names of photos and whales are no formulas
}
HALO = [patheffects.withStroke(linewidth=3, foreground="#202020")]
TRAINING = {"lw": 1, "alpha": 0.6, "zorder": 1.9}
VALIDATION = {"marker": "o", "ms": 4}
USED = {"marker": "o", "ms": 9, "mfc": "none", "ls": ""}
UNIFORM = {"ls": (0, (2, 2)), "lw": 1.2}


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
    """Colours for `count` lines, as different as possible."""
    return PALETTE[:count] if count <= len(PALETTE) else matplotlib.colormaps["turbo"](np.linspace(0.02, 0.98, count))


class Panel(NamedTuple):
    """One pair of axes with curves.

    Attributes:
        title: the quantity on the y axis, with its unit.
        lines: the curves.
        uniform: the value of uniform probabilities, drawn across; None for none.
        share: whether y is a share of all photos, 0..1.
        log: whether y is drawn logarithmically.
    """

    title: str
    lines: list[Line]
    uniform: float | None = None
    share: bool = False
    log: bool = False


def save(path: Path, draw: Callable[..., Figure], *args: Any, **kwargs: Any) -> None:
    """Writes the figure that `draw(*args, **kwargs)` returns, drawn in STYLE, as a whole PNG."""
    with storage.replacing(path) as partial, matplotlib.rc_context(STYLE):
        figure = draw(*args, **kwargs)
        FigureCanvasAgg(figure)
        figure.savefig(partial, format="png")


def curves(columns: Sequence[Sequence[Panel]], title: str, *, unit: str = "epochs") -> Figure:
    """Training curves in columns of equally many panels: thin while training, with dots for validation."""
    rows = len(columns[0])
    names = max(({line.name: line.colour for line in panel.lines} for column in columns for panel in column), key=len)
    lines = -(-len(names) // len(columns)) if len(names) > 3 else 2  # of the legend
    figure = figure_of(title, width=0.4 + 4.4 * len(columns), height=0.6 + 0.25 * lines + 2.8 * rows)
    for axes, column in zip(figure.subplots(rows, len(columns), squeeze=False).T, columns, strict=True):
        for ax, panel in zip(axes, column, strict=True):
            _panel(ax, panel)
        axes[-1].set_xlabel(unit)
    looks = {"training, on augmented photos": TRAINING, "validation": VALIDATION, "weights that are used": USED}
    looks |= {"uniform": UNIFORM} if any(panel.uniform is not None for column in columns for panel in column) else {}
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
    if panel.uniform is not None:
        ax.axhline(panel.uniform, color=GREY, **UNIFORM)
    end = max((line.x[-1] for line in panel.lines), default=1)
    values = [(x, y) for line in panel.lines for x, y in zip(line.x, line.y, strict=True)]
    settled = max((y for x, y in values if x > 0.05 * end), default=1)  # the very first losses may be huge
    top = max(min(max(y for _, y in values), 1.5 * settled), panel.uniform or 0) if values else 1
    ax.set(title=panel.title, xlim=(0, 1.02 * end))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if panel.log:
        ax.set_yscale("log")
        plain_numbers(ax.yaxis)
    else:
        ax.set_ylim(0, 1.08 * top or 1)
    if panel.share:
        ax.yaxis.set_major_formatter(PercentFormatter(1))


def plain_numbers(axis: Axis) -> None:
    """Numbers on a logarithmic axis as they are: 100 and not a power, which STYLE would show as its source."""
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def figure_of(title: str, *, width: float, height: float) -> Figure:
    """An empty figure of (height, width) inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    return figure
