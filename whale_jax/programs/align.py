"""Renders a view of every original photo by one matrix: the whole photo, the boxed head, or the aligned head."""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from whale_jax import frames
from whale_jax.data import images, render, right_whale, shards, tables
from whale_jax.recognition import views
from whale_jax.runtime import errors, registry
from whale_jax.workflow.program import Program

SHARD = "images.npy"  # in a shard's folder
DEFAULTS = {
    "inputs": {"photos": "", "predictions": ""},  # without predictions, the annotations are taken
    "prefer_annotations": False,  # whether annotations count before predictions, where a photo has them
    "frame": "whole",
    "size": (256, 256),  # height, width of the view
    "padding": 0.0,  # box: share of its sides added on each side
    "square": False,  # box: made a square first, so that a head keeps its shape in any direction
    "across": frames.ACROSS,  # head: head lengths from the left to the right rim
    # head: width over height of the crop, which `size` may squash, as in the post. whole: width over height at which
    # people should see ready crops, which may be stored squashed.
    "aspect": frames.ASPECT,
    "steady": 0.0,  # head: the largest factor between a predicted head's length and the usual one's; 0 for any
    "length": 0.0,  # head: the usual one, in longer sides of the photo; 0 is the median of these photos
    "ahead": frames.AHEAD,  # head: how far the points' middle lies right of the frame's, in head lengths
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes the view into workdir and, where points are used, points.csv in pixels of the original photos."""
    photos, matrices = plan(config)
    files = [folder / SHARD for _, folder in shards.folders(workdir, len(photos.name))]
    view = images.save(workdir, photos, matrices=matrices, size=tuple(config.size), shards=files)
    if files:
        shards.remove(workdir)
    if not view.pictured.any():
        raise errors.InputError(
            f"no photo has what the frame {config.frame!r} needs: import annotations or predict them"
        )
    result = {"views": int(view.pictured.sum()), "without": photos.name[~view.pictured].tolist()[:20]}
    if config.frame == "head":
        points = views.find(config, photos, kind="points")
        write_points(workdir / "points.csv", photos.name, points=points)
        result["length"] = config.length or float(np.nanmedian(frames.lengths(points, photos.size)))
    return result


def shard(config: ConfigDict, workdir: Path, piece: shards.Shard) -> None:
    """Renders one shard of the view, for `run` to put together."""
    photos, matrices = plan(config)
    path, rows = piece.folder(workdir) / SHARD, piece.rows(len(photos.name))
    if rows.start < rows.stop and not path.exists():
        render.write(photos, matrices, size=tuple(config.size), path=path, rows=rows, label=workdir.name)


def plan(config: ConfigDict) -> tuple[right_whale.Photos, np.ndarray]:
    """N photos and their (N, 3, 3) matrices from photo pixels to view pixels, NaN where unknown."""
    photos = right_whale.load(Path(config.inputs.photos))
    return photos, views.matrices_of(config, photos)


def check(config: ConfigDict) -> None:
    """Raises InputError for an unknown frame, and where `steady` would move points that a person has set."""
    registry.lookup("frame", views.FRAMES, config.frame)
    if config.steady and not (config.inputs.predictions or config.prefer_annotations):
        raise errors.InputError("config.steady is for predicted heads: leave it 0 without inputs.predictions")


def write_points(path: Path, names: np.ndarray, *, points: np.ndarray) -> None:
    """Writes (N, 2, 2) bonnets and blowheads of N names, in pixels of the original photo; empty where unknown."""
    cells = [[f"{value:.2f}" if np.isfinite(value) else "" for value in pair] for pair in points.reshape(-1, 4)]
    rows = ([name, *pair] for name, pair in zip(names, cells, strict=True))
    tables.write(path, ["Image", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y"], rows=rows)


PROGRAM = Program(DEFAULTS, run, check=check, shard=shard)
