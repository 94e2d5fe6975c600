"""A batch of photos with a head in each, and a network's right answer: what the tests of the tasks share."""

import jax
import jax.numpy as jnp
import numpy as np

from whale_jax import geometry

STORED, SIZE, COUNT = (40, 60), (32, 48), 6
TURNING = "rotate(180)|scale(0.8,1.25)|translate(0.05)|shear(5)|flip_lr"
UPRIGHT = "scale(0.8,1.25)|translate(0.05)|flip_lr|flip_ud"
TURNED = geometry.compose(geometry.translation(-300, -80), geometry.rotation(0.7), geometry.scaling(0.1, 0.2))
SQUASHED = geometry.compose(geometry.translation(-300, -80), geometry.scaling(0.1, 0.2))


def make_batch(view, seed=0):
    """Photos of some hundred pixels, seen through `view`, with a head in the middle of what is seen."""
    rng = np.random.default_rng(seed)
    inside = geometry.middle(STORED) + rng.uniform(-6, 6, (COUNT, 2, 2)).astype(np.float32)
    side = rng.uniform(8, 16, (COUNT, 2)).astype(np.float32)
    box = np.concatenate([inside[:, 0] - side / 2, side], axis=1)
    back = geometry.invert(view)
    return {
        "image": rng.integers(0, 256, (COUNT, *STORED, 3), np.uint8),
        "view": np.tile(view, (COUNT, 1, 1)),
        "index": np.arange(COUNT, dtype=np.int32),
        "label": rng.integers(0, 4, COUNT).astype(np.int32),
        "points": np.array(geometry.move_points(back, inside)),
        "box": np.array(geometry.move_box(back, box)),
        "mask": np.ones(COUNT, np.float32),
    }


def prepare(task, batch, train=True):
    return jax.jit(task.prepare, static_argnums=2)(jax.random.key(5), batch, train)


def answer(target, bins=0, sigma_bins=1.0):
    """The network's output that says `target` (B, 2, 2)."""
    if bins:
        target = -0.5 * jnp.square((jnp.arange(bins) + 0.5 - target[..., None] * bins) / sigma_bins)
    return target.reshape(COUNT, -1), {}
