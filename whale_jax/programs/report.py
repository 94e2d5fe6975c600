"""What the stages of a pipeline found: the post's approaches side by side in a table, and pictures to look at."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from whale_jax import errors, geometry, metrics
from whale_jax.data import images, right_whale, splits
from whale_jax.programs import figures, stage
from whale_jax.programs.figures import BLUE, GREEN, ORANGE, RED, SKY, Head, Line, Panel, Spot
from whale_jax.train import log

# What the report reads, and the program that makes it; each may be left empty.
STAGES = {
    "photos": "import_photos",
    "split": "split",
    "localizer": "crossfit",
    "aligner": "crossfit",
    "refined": "crossfit",
    "boxed": "align",
    "aligned": "align",
    "naive_classifier": "train",
    "boxed_classifier": "train",
    "aligned_classifier": "train",
    "stack": "stack",
    "submission": "submit",
}
DEFAULTS = {"inputs": dict.fromkeys(STAGES, "")}

CLASSIFIERS = {
    "naive_classifier": ("naive: whole photo", ORANGE),
    "boxed_classifier": ("boxed head", GREEN),
    "aligned_classifier": ("aligned head", BLUE),
}
LOOKS = {"aligner": ("first look", SKY), "refined": ("second look", BLUE)}
NAMING = ("log_loss", "top1", "top5")
POINTS = ("point_error_median", "point_error", "pck@0.05", "pck@0.1")
BOXES = ("iou", "iou>0.5")
SHEET = 6  # whales, and photos of each


class Stage(NamedTuple):
    """A stage that is done: its folder, config.json and result.json."""

    folder: Path
    config: dict[str, Any]
    result: dict[str, Any]


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes table.md, table.json and pictures into workdir and prints the table; leaves out what there is no stage for."""
    found = gather(config.inputs)
    tables = tabulate(found)
    text = "\n\n".join(markdown(title, rows) for title, rows in tables.items() if rows)
    stage.write(workdir / "table.json", tables)
    (workdir / "table.md").write_text(text + "\n")
    drawn = []
    for name, draw, *arguments, named in pictures(found):
        figures.save(workdir / f"{name}.png", draw, *arguments, **named)
        drawn.append(f"{name}.png")
    print(f"\n{text}\n")
    return {"table": text, "pictures": drawn}
