"""The warps of test-time augmentation (post, section 4.3.1), and how their predictions are averaged."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from whale_jax import geometry
from whale_jax.runtime import registry

AVERAGES = {"mean": np.mean, "median": np.median}  # the post's; and one that a few outliers do not move

# Name -> (values, size of the network's input) -> matrices about its middle. Angles in degrees, shifts in shares.
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
    centred = jnp.eye(3)[None]
    for name, values in warps.items():
        choices = registry.lookup("warp", OPERATIONS, name)(jnp.array(values), size)
        centred = geometry.compose(centred[:, None], choices).reshape(-1, 3, 3)
    resize = geometry.resize(source, size)
    return np.asarray(geometry.compose(resize, geometry.about(centred, geometry.middle(size))))
