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


def box(boxes: jax.Array, size: geometry.Size, *, padding: float = 0.0, square: bool = False) -> jax.Array:
    """A box: each side is moved out by `padding` times the box's length, and the whole is squashed to `size`.

    Args:
        boxes: (N, 4) in photo pixels.
        size: (height, width) of the view.
        padding: share of the box's sides that is added on each side.
        square: make the box as wide as it is high first, so that a head keeps its shape.
    """
    x, y, width, height = boxes.T
    if square:
        side = jnp.maximum(width, height)
        x, y, width, height = x - (side - width) / 2, y - (side - height) / 2, side, side
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


def places(size: geometry.Size) -> jax.Array:
    """(2, 2) pixels of bonnet and blowhead in an aligned head of that size."""
    points = jnp.array([[1.0, 0], [0, 0]])
    return geometry.move_points(head(points, size), points)


def lengths(points: jax.Array, photos: jax.Array) -> jax.Array:
    """(N,) lengths of heads in longer sides of their photos, by (N, 2, 2) points and (N, 2) sizes in pixels."""
    return jnp.linalg.norm(points[:, 0] - points[:, 1], axis=-1) / photos.max(1)


def steady(points: jax.Array, photos: jax.Array, *, within: float, length: float = 0.0) -> jax.Array:
    """Predicted points moved along their line until they are neither too near nor too far for a head.

    Heads are of about one size in all photos of a survey, so the median length of those predicted tells more of a head
    whose points were not found than its own points do.

    Args:
        points: (N, 2, 2) bonnet and blowhead, in photo pixels.
        photos: (N, 2) their (height, width).
        within: the largest factor between a length and the usual one, both in longer sides of the photo.
        length: the usual one; 0 is the median of these points.
    """
    arm, present = (points[:, :1] - points[:, 1:]) / 2, lengths(points, photos)[:, None, None]
    usual = length or jnp.nanmedian(present)
    arm = arm * jnp.clip(present, usual / within, usual * within) / present
    return points.mean(1, keepdims=True) + jnp.concatenate([arm, -arm], axis=1)
