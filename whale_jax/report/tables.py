"""Tables that people read: the heading and the format of each metric, and table.md."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from whale_jax.evaluation import caveats
from whale_jax.runtime import progress, storage

FILE = "table.md"
# The key in table.json -> the heading, and the text of a value.
COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "runs": ("runs", str),
    "log_loss": ("log loss", "{:.3f}".format),
    "calibrated": ("calibrated", "{:.3f}".format),
    "train_log_loss": ("on training photos", "{:.3f}".format),
    "top1": ("top-1", "{:.1%}".format),
    "top5": ("top-5", "{:.1%}".format),
    "few_top1": ("top-1, rare whales", "{:.1%}".format),
    "prototype_top1": ("by prototypes", "{:.1%}".format),
    "class_top1": ("by classes", "{:.1%}".format),
    "class_few_top1": ("by classes, rare", "{:.1%}".format),
    "map": ("mAP", "{:.3f}".format),
    "auroc": ("AUROC", "{:.3f}".format),
    "auroc_interval": ("95 % of it", str),
    "false_new": ("known called new at 90 %", "{:.1%}".format),
    "false_new_interval": ("95 % of that", str),
    "auroc_right": ("AUROC, named right", "{:.3f}".format),
    "auroc_wrong": ("AUROC, named wrong", "{:.3f}".format),
    "unknown_auroc": ("known or not: AUROC", "{:.3f}".format),
    "unknown_balanced": ("balanced accuracy", "{:.1%}".format),
    "class_unknown_auroc": ("by classes: AUROC", "{:.3f}".format),
    "spread": ("mean distance", "{:.2f}".format),
    "ece": ("ECE", "{:.1%}".format),
    "iou": ("mean IoU", "{:.3f}".format),
    "iou>0.5": ("IoU > 0.5", "{:.1%}".format),
    "point_error_median": ("median error", "{:.3f}".format),
    "point_error": ("mean error", "{:.3f}".format),
    "pck@0.05": ("PCK@0.05", "{:.1%}".format),
    "pck@0.1": ("PCK@0.1", "{:.1%}".format),
    "head_share": ("head in the crop", "{:.1%}".format),
    "occlusion_inside": ("occlusion in the head box", "{:.1%}".format),
    "gradients_inside": ("gradients in it", "{:.1%}".format),
    "box_area": ("its area", "{:.1%}".format),
    "validated_on": ("photos", "{:,}".format),
    "photos_per_second": ("photos/s", "{:,.0f}".format),
    "pixels": ("input", str),
    "steps": ("steps", "{:,}".format),
    "reached": ("to that loss", progress.duration),
    "seconds": ("time", progress.duration),
    "train_seconds": ("training", progress.duration),
    "images_per_second": ("images/s", "{:,.0f}".format),
}
SHARES = ("top1", "top5", "iou>0.5", "pck@0.05", "pck@0.1")  # of the photos that a row is measured on


def column(key: str) -> tuple[str, Callable[[Any], str]]:
    """The heading of a metric, and the text of a value. One that COLUMNS lacks is called by its key."""
    return COLUMNS.get(key, (key, "{:.3f}".format))


def markdown(title: str, rows: list[dict[str, Any]], *, metrics: Sequence[str] = ()) -> str:
    """A table that reads well as text too: the first column to the left, figures to the right.

    Args:
        title: the heading of the first column.
        rows: each with a "name" and any keys of COLUMNS.
        metrics: other keys of rows that have a column, before those of COLUMNS.
    """
    keys = [key for key in dict.fromkeys([*metrics, *COLUMNS]) if any(key in row for row in rows)]
    cells = [[title, *(column(key)[0] for key in keys)]]
    cells += [
        [
            row["name"].replace("|", "\\|"),
            *(cell(key, row[key], photos=row.get("validated_on")) if key in row else "" for key in keys),
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        [text.rjust(w) if i else text.ljust(w) for i, (text, w) in enumerate(zip(line, widths, strict=True))]
        for line in cells
    ]
    lines.insert(1, ["-" * (w - 1) + ":" if i else "-" * w for i, w in enumerate(widths)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(key: str, value: Any, *, photos: int | None = None) -> str:
    """The text of a value of a column, or of a pair of a mean and its deviation.

    A share of few photos has its 95 % confidence interval beside it.
    """
    values = value if isinstance(value, tuple) else (value,)
    text = " ± ".join(map(column(key)[1], values))
    if key not in SHARES or len(values) > 1 or not photos or photos >= caveats.FEW:
        return text
    low, high = caveats.interval(value, photos)
    return f"{text} ({100 * low:.0f}-{high:.0%})"


def publish(workdir: Path, text: str) -> None:
    """Writes tables to workdir/table.md, and prints them."""
    storage.write_text(workdir / FILE, text + "\n")
    print(f"\n{text}\n", flush=True)


def reprint(config: ConfigDict, workdir: Path) -> None:
    """Prints the tables that `publish` wrote when the stage was run: its `revisit`."""
    with storage.reading(workdir / FILE) as path:
        print(f"\n{path.read_text(encoding='utf-8')}", flush=True)
