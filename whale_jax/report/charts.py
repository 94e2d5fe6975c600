"""Charts that functions draw from arrays: overlaps, point errors, recipes, test-time augmentation, ECE, new whales."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from whale_jax.report.figures import BLUE, GREY, RED, SKY, figure_of, plain_numbers


def iou_histogram(overlap: np.ndarray) -> Figure:
    """How many photos have which (n,) overlap of the predicted with the annotated box."""
    figure = figure_of("Head boxes: predicted against annotated", width=6.4, height=4.2)
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
    """The share of photos whose point error is at most x, a curve a (name, colour, (n,) errors); NaN is far off."""
    figure = figure_of("Bonnet and blowhead: predicted against annotated", width=6.4, height=4.4)
    ax = figure.subplots()
    for name, colour, error in looks:
        ordered = np.sort(np.nan_to_num(error, nan=np.inf))
        share = np.arange(1, len(ordered) + 1) / len(ordered)
        ax.plot(np.maximum(ordered, 1e-3), share, drawstyle="steps-post", color=colour, label=name)
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


def comparison(names: Sequence[str], values: Mapping[str, Sequence[Sequence[float]]], *, title: str) -> Figure:
    """A panel a metric, a line a recipe: a dot for every run and a stroke for their mean.

    Args:
        names: of the recipes, from top to bottom.
        values: metric -> for each recipe the values of its runs, if it has any.
        title: of the figure.
    """
    labels = ["\n".join(textwrap.wrap(name.replace("|", "| "), 44)) for name in names]
    height = 1 + 0.3 * len(names) + 0.17 * "".join(labels).count("\n")
    figure = figure_of(title, width=4 + 2.4 * len(values), height=height)
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


def tta_curve(rows: Sequence[Mapping[str, float]]) -> Figure:
    """Point error and speed against the number of warps a photo; rows of {warps, metrics, photos_per_second}."""
    figure = figure_of("Test-time augmentation of the aligner", width=8.2, height=3.6)
    error, cost = figure.subplots(1, 2)
    warps = [row["warps"] for row in rows]
    for key, name, colour in (("point_error", "mean", RED), ("point_error_median", "median", BLUE)):
        error.plot(warps, [row[key] for row in rows], "o-", color=colour, label=name)
    error.set(title="Error (head lengths)", ylim=(0, None))
    error.legend()
    cost.plot(warps, [row["photos_per_second"] for row in rows], "o-", color=GREY)
    cost.set(title="Photos a second", yscale="log")
    plain_numbers(cost.yaxis)
    for ax in (error, cost):
        ax.set(xscale="log", xlabel="warps a photo")
        ax.set_xticks(warps, map(str, warps), minor=False)
        ax.minorticks_off()
    return figure


def reliability_diagram(panels: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Figure:
    """Accuracy against confidence in a panel for each source.

    Args:
        panels: title -> (bins,) confidence, accuracy and share of photos.
    """
    across = min(len(panels), 4)  # an even number, so that before and after of a source stand side by side
    down = -(-len(panels) // across)
    figure = figure_of("Does confidence mean what it says?", width=0.4 + 3.2 * across, height=0.4 + 3.2 * down)
    axes = figure.subplots(down, across, squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (name, (confidence, accuracy, _)) in zip(axes.flat, panels.items(), strict=False):
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


def novelty(scores: Mapping[str, tuple[np.ndarray, np.ndarray]], *, chosen: str, threshold: float) -> Figure:
    """How the scores of known and of unknown whales lie, with the threshold, and the ROC curve of every score.

    Args:
        scores: name -> (K,) scores of photos of known whales, and (U,) of unknown ones, or of none.
        chosen: the name of the score that decides.
        threshold: the score below which a photo is called new.
    """
    score, unknown_score = scores[chosen]
    figure = figure_of("Is the whale one of the catalogue?", width=9.6 if len(unknown_score) else 5, height=4)
    ax, *roc = figure.subplots(1, 2 if len(unknown_score) else 1, squeeze=False)[0]
    edges = np.histogram_bin_edges(np.concatenate([score, unknown_score]), bins=30)
    for values, name, colour in ((score, "known", BLUE), (unknown_score, "unknown", RED)):
        if len(values):
            share = np.full(len(values), 1 / len(values))
            label = f"{len(values):,} photos of {name} whales"
            ax.hist(values, edges, weights=share, color=colour, alpha=0.45, label=label)
    if np.isfinite(threshold):
        ax.axvline(threshold, ymax=0.69, color="black", lw=1.5, label="threshold: new to the left")
    ax.set(title=chosen, xlabel="score", ylabel="share of photos")
    ax.set_ylim(0, 1.45 * ax.get_ylim()[1])  # the legend stands above the bars
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.grid(axis="x", visible=False)
    ax.legend(loc="upper right")
    for ax in roc:
        ax.plot([0, 1], [0, 1], color=GREY, lw=1, ls="--", label="chance")
        for name, sides in sorted(scores.items(), key=lambda item: item[0] == chosen):
            places = np.sort(np.concatenate(sides))
            called_new, new = (np.searchsorted(np.sort(side), places, side="right") / len(side) for side in sides)
            look = {"color": RED, "label": chosen} if name == chosen else {"color": SKY, "lw": 0.8}
            ax.plot([0, *called_new], [0, *new], **look)
        ax.plot([], [], color=SKY, lw=0.8, label="every other score")
        ax.axhline(0.9, color=GREY, ls=(0, (2, 2)), lw=1.2)
        ax.set(title="ROC", xlabel="known whales called new", ylabel="new whales found", xlim=(0, 1), ylim=(0, 1.01))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        ax.set_aspect("equal")
        ax.legend(loc="lower right")
    return figure
