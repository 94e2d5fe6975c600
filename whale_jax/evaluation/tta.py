"""Test-time augmentation (post, section 4.3.1): warp, predict, map back, average.

A task predicts points in pixels of the photo, whatever matrix made the network's input. So the task maps them back,
and only the averaging is done here.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from whale_jax import geometry
from whale_jax.runtime import errors, registry

AVERAGES = {"mean": np.mean, "median": np.median}

# Name -> (value, size of the network's input) -> matrix about the input's middle. Angles in degrees, shifts in shares.
OPERATIONS = {
    "rotate": lambda degrees, size: geometry.rotation(jnp.deg2rad(degrees)),
    "scale": lambda factor, size: geometry.scaling(factor, factor),
    "shear": lambda degrees, size: geometry.shear(jnp.deg2rad(degrees)),
    "shift_x": lambda share, size: geometry.translation(share * size[1], 0),
    "shift_y": lambda share, size: geometry.translation(0, share * size[0]),
    "flip_ud": lambda yes, size: geometry.scaling(1, 1 - 2 * yes),
}


def grid(warps: Mapping[str, Sequence[float]], source: geometry.Size, *, size: geometry.Size) -> np.ndarray:
    """(K, 3, 3) matrices from a picture of size `source` to a network input of `size`: every combination.

    Args:
        warps: such as {"rotate": (0, 90, 180, 270), "scale": (0.9, 1), "flip_ud": (0, 1)}, 16 warps with angles in
            degrees; {} is the plain resize.
        source: (height, width) of the pictures.
        size: (height, width) of the network's input.
    """
    choices = [[registry.lookup("warp", OPERATIONS, name)(v, size) for v in values] for name, values in warps.items()]
    centred = [geometry.compose(jnp.eye(3), *chosen) for chosen in itertools.product(*choices)]
    resize = geometry.resize(source, size)
    return np.stack([geometry.compose(resize, geometry.about(m, geometry.middle(size))) for m in centred])


def predict(
    evaluate: Callable[[Any, dict], tuple],
    state: Any,
    *,
    batches: Iterable[dict],
    matrices: np.ndarray,
    put: Callable[[dict], dict],
    gather: Callable[[dict], dict],
    average: str = "mean",
) -> dict[str, np.ndarray]:
    """Predictions for every row that is not padding, averaged over the warps.

    Args:
        evaluate: compiled (state, batch) -> (metrics, predictions).
        state: of the trained network.
        batches: padded batches on the host.
        matrices: (K, 3, 3) warps from `grid`.
        put: host batch -> device batch.
        gather: device predictions -> host predictions.
        average: "mean", as in the post, or "median", which a few outliers do not move.
    """
    combine = registry.lookup("average", AVERAGES, average)
    averaged = []
    for batch in batches:
        mask = batch["mask"] > 0
        warped = [
            gather(evaluate(state, put({**batch, "warp": np.broadcast_to(m, (len(mask), 3, 3))}))[1]) for m in matrices
        ]
        averaged.append({name: combine([w[name][mask] for w in warped], axis=0) for name in warped[0]})
    if not averaged:
        raise errors.InputError("no photo to predict")
    return {name: np.concatenate([batch[name] for batch in averaged]) for name in averaged[0]}
