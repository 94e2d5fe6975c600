"""The warps of test-time augmentation (post, section 4.3.1), and how their predictions are averaged."""

import itertools
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from whale_jax import geometry
from whale_jax.runtime import registry

AVERAGES = {"mean": np.mean, "median": np.median}  # the post's; and one that a few outliers do not move

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
