"""Frames: what part of a photo a view shows, as (N, 3, 3) matrices from photo pixels to view pixels.

NaN or inf where what a frame goes by is unknown. A picture begins half a pixel before its first pixel's centre.
"""

import jax
import jax.numpy as jnp

from whale_jax import geometry

ACROSS, ASPECT, AHEAD = 2.0, 2.0, 0.098  # the competition's crops


def whole(photos: jax.Array, size: geometry.Size) -> jax.Array:
    """The whole photo, squashed; `photos` is (N, 2) of (height, width)."""
    return geometry.resize(photos.T, size)


def box(boxes: jax.Array, size: geometry.Size, *, padding: float = 0.0) -> jax.Array:
    """(N, 4) boxes with `padding` times their sides added on each side, squashed."""
    x, y, width, height = boxes.T
    x, width = x - padding * width, width * (1 + 2 * padding)
    y, height = y - padding * height, height * (1 + 2 * padding)
    corner = geometry.translation(-0.5 - x, -0.5 - y)
    return geometry.compose(corner, geometry.resize((height, width), size))


def head(
    points: jax.Array, size: geometry.Size, *, across: float = ACROSS, aspect: float = ASPECT, ahead: float = AHEAD
) -> jax.Array:
    """The head turned so that the bonnet lies right of the blowhead (post, section 4.3).

    Args:
        points: (N, 2, 2) bonnet and blowhead, in photo pixels.
        size: (height, width) of the view; it may squash the frame, as the post did.
        across: head lengths from the left to the right rim.
        aspect: width over height of what is cut out of the photo.
        ahead: how far the points' middle lies right of the frame's, in head lengths.
    """
    length = 100.0  # pixels between the points in a frame at true aspect, before it is resized
    true = (across * length / aspect, across * length)
    target = geometry.middle(true) + length * jnp.array([[ahead + 0.5, 0], [ahead - 0.5, 0]])
    return geometry.compose(geometry.fit_similarity(points, target), geometry.resize(true, size))
