"""Photos of noise, in the form in which a stage loads photos."""

from types import SimpleNamespace

import numpy as np

from whale_jax.experiment import dataset
from whale_jax.experiment.dataset import Data
from whale_jax.geometry import Size


def photos(count: int, size: Size, *, whales: int) -> Data:
    """`count` views of `size` (height, width), of `whales` whales, each with a head box in pixels."""
    rng = np.random.default_rng(0)
    rows = SimpleNamespace(
        name=np.arange(count).astype(str),
        label=rng.integers(0, whales, count),
        points=np.zeros((count, 2, 2)),
        box=np.tile([size[1] / 4, size[0] / 4, size[1] / 2, size[0] / 2], (count, 1)),
    )
    images = rng.integers(0, 256, (count, *size, 3), np.uint8)
    view = SimpleNamespace(images=images, matrices=np.tile(np.eye(3), (count, 1, 1)))
    return dataset.join(rows, view, split=None)
