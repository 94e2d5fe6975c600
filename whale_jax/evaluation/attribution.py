"""Where a classifier looks: a box slid over the picture (post, section 4.1), and integrated gradients as a check."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from whale_jax import geometry


def windows(size: geometry.Size, *, side: float, step: float) -> np.ndarray:
    """(M, 4) int boxes (y0, y1, x0, x1) slid over a picture, cut at its rim so that each pixel is hidden alike.

    Args:
        size: (height, width) of the picture.
        side: of a box, as a share of the picture's sides.
        step: from one box to the next, likewise.
    """
    starts = np.arange(step - side, 1, step)
    y, x = (grid.ravel() for grid in np.meshgrid(starts, starts, indexing="ij"))
    edges = np.stack([y, y + side, x, x + side], axis=1) * np.repeat(size, 2)
    return np.clip(np.rint(edges), 0, np.repeat(size, 2)).astype(int)


def hide(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """A copy of a (h, w, 3) uint8 picture with a (4,) box of `windows`, in pixels, in the picture's mean colour."""
    y0, y1, x0, x1 = box
    hidden = image.copy()
    hidden[y0:y1, x0:x1] = np.rint(image.mean((0, 1)))
    return hidden


def occlusion(drops: np.ndarray, boxes: np.ndarray, *, size: geometry.Size) -> np.ndarray:
    """(h, w) loss of the true whale's probability while a pixel is hidden: the mean over the boxes that hide it.

    Args:
        drops: (M,) loss of probability for each box.
        boxes: (M, 4) from `windows`.
        size: (height, width) of the picture.
    """
    total, count = np.zeros((2, *size))
    for drop, (y0, y1, x0, x1) in zip(drops, boxes, strict=True):
        total[y0:y1, x0:x1] += drop
        count[y0:y1, x0:x1] += 1
    return total / np.maximum(count, 1)


def integrated_gradients(
    log_probability: Callable[[jax.Array], jax.Array], image: jax.Array, *, steps: int
) -> jax.Array:
    """(h, w) share of each pixel in log p(image) - log p(grey) (Sundararajan et al., arXiv:1703.01365, equation 3).

    Args:
        log_probability: (steps, h, w, 3) standardised pictures -> (steps,) of the true whale.
        image: (h, w, 3) standardised, so that grey is 0.
        steps: of the integral, by the midpoint rule.
    """
    path = (jnp.arange(steps) + 0.5) / steps
    gradients = jax.grad(lambda images: log_probability(images).sum())(path[:, None, None, None] * image)
    return (image * gradients.mean(0)).sum(-1)


def share_inside(saliency: np.ndarray, box: np.ndarray) -> float:
    """Share of a (h, w) map's positive part inside a box (x, y, width, height) in pixels; NaN if there is none."""
    x, y, width, height = box
    ys, xs = np.mgrid[: saliency.shape[0], : saliency.shape[1]]
    inside = (xs >= x) & (xs < x + width) & (ys >= y) & (ys < y + height)
    positive = np.maximum(saliency, 0)
    return float(positive[inside].sum() / positive.sum()) if positive.any() else float("nan")
