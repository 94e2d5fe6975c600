"""How alike two aligned heads are by phase correlation of their patches, whatever small shifts lie between these.

Kuglin and Hines (1975): the correlation of two pictures in which every frequency counts alike, so that broad light and
shade do not outweigh the outlines of callosities. Fine frequencies, which errors of alignment scramble, are faded out.
Each patch is shifted by itself: a head seen from another side, or larger, has its parts in other places.
"""

import numpy as np
from scipy import fft, ndimage

SIZE = (64, 128)  # (height, width) of the heads that are compared
PATCH, STEP = 40, 8  # pixels: a side of a square patch, and from each patch to the next
FINEST = 0.15  # cycles a pixel, the standard deviation of the Gaussian by which frequencies fade out
SHIFT = 6  # pixels that a patch may be off, down and across

_DOWN, _ACROSS = (axis.ravel() for axis in np.meshgrid(fft.fftfreq(PATCH), fft.rfftfreq(PATCH), indexing="ij"))
_SQUARE = _DOWN**2 + _ACROSS**2
_COUNTED = np.flatnonzero((_SQUARE > 0) & (_SQUARE < 8 * FINEST**2))  # brightness says nothing, the finest next to it
# Of each of two patches, so that their product fades by FINEST. Frequencies across stand for their conjugates too.
_FADE = np.exp(-_SQUARE / (4 * FINEST**2)) * np.sqrt(np.where((_ACROSS > 0) & (_ACROSS < 0.5), 2, 1))
_FADE = _FADE[_COUNTED] / np.linalg.norm(_FADE[_COUNTED])
_RIM = np.sqrt(np.outer(*[np.hanning(PATCH + 2)[1:-1]] * 2)).astype(np.float32)
SHIFTS = np.array([(down, across) for down in range(-SHIFT, SHIFT + 1) for across in range(-SHIFT, SHIFT + 1)])
_MOVES = np.exp(2j * np.pi * (SHIFTS @ [_DOWN[_COUNTED], _ACROSS[_COUNTED]])).astype(np.complex64)


def outlines(pictures: np.ndarray) -> np.ndarray:
    """(n, height, width) float32 outlines in grey pictures, in which each part of the head counts alike."""
    detail = np.asarray(pictures, np.float32)
    detail = detail - _blur(detail, 4)
    return detail / np.sqrt(_blur(detail**2, 8) + 16)  # quiet water stays quiet


def patches(size: tuple[int, int]) -> list[tuple[slice, slice]]:
    """The (rows, columns) of each patch of pictures of a (height, width): every other one, as on a chessboard."""
    starts = [range(0, side - PATCH + 1, STEP) for side in size]
    return [
        (slice(top, top + PATCH), slice(left, left + PATCH))
        for top in starts[0]
        for left in starts[1]
        if (top + left) // STEP % 2 == 0
    ]


def spectra(patches: np.ndarray) -> np.ndarray:
    """(n, F) complex64 phases of (n, PATCH, PATCH) patches, finer ones faded out."""
    spectrum = fft.rfft2(patches * _RIM).reshape(len(patches), PATCH * (PATCH // 2 + 1))[:, _COUNTED]
    return (spectrum * _FADE / np.maximum(np.abs(spectrum), 1e-6)).astype(np.complex64, order="C")


def correlation(query: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """(m, S) correlations of one patch and m others at each of SHIFTS; 1 is that of a patch with itself at no shift.

    Args:
        query: (F,) complex64 phases, see `spectra`.
        gallery: (m, F) phases.
    """
    # The real part of a product with a conjugate is the product of real and imaginary parts as if all were real.
    return gallery.view(np.float32) @ (query * _MOVES).view(np.float32).T


def _blur(pictures: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(pictures, (0, sigma, sigma))
