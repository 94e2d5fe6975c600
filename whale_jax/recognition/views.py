"""What part of each photo a view shows: the whole photo, the head's box or the aligned head, by a config of `align`."""

import jax
import numpy as np
from ml_collections import ConfigDict

from whale_jax import frames
from whale_jax.data import predictions, right_whale
from whale_jax.runtime import registry


def matrices_of(config: ConfigDict, photos: right_whale.Photos) -> np.ndarray:
    """(N, 3, 3) matrices from photo pixels to the pixels of the config's view, NaN where unknown."""
    return np.asarray(registry.lookup("frame", FRAMES, config.frame)(config, photos), np.float32)


def find(config: ConfigDict, photos: right_whale.Photos, *, kind: str) -> np.ndarray:
    """(N, ...) predicted "points" or "box" of every photo, or the annotated ones; NaN where there is none."""
    if not config.inputs.predictions:
        return getattr(photos, kind)
    values = predictions.load(config.inputs.predictions, photos, kind=kind)
    if config.prefer_annotations:
        rows = right_whale.annotated(photos, kind)
        values[rows] = getattr(photos, kind)[rows]
    return values


def whole(config: ConfigDict, photos: right_whale.Photos) -> jax.Array:
    """(N, 3, 3) from photo pixels to the whole photo."""
    return frames.whole(photos.size, tuple(config.size))


def box(config: ConfigDict, photos: right_whale.Photos) -> jax.Array:
    """(N, 3, 3) from photo pixels to the box around the head and some padding."""
    annotation = find(config, photos, kind="box")
    return frames.box(annotation, tuple(config.size), padding=config.padding, square=config.square)


def head(config: ConfigDict, photos: right_whale.Photos) -> jax.Array:
    """(N, 3, 3) from photo pixels to the aligned head. Equal points give NaN."""
    points = find(config, photos, kind="points")
    if config.steady:
        moved = frames.steady(points, photos.size, within=config.steady, length=config.length)
        sure = config.prefer_annotations & right_whale.annotated(photos, "points")  # which a person is sure of
        points = np.where(sure[:, None, None], points, moved)
    frame = {name: config[name] for name in ("across", "aspect", "ahead")}
    return frames.head(points, tuple(config.size), **frame)


FRAMES = {"whole": whole, "box": box, "head": head}
