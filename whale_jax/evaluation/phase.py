"""How alike two aligned heads are by phase correlation, whatever small shift lies between them.

Kuglin and Hines (1975): the correlation of two pictures in which every frequency counts alike, so that broad light and
shade do not outweigh the outlines of callosities. Fine frequencies, which errors of alignment scramble, are faded out.
"""

import numpy as np
from scipy import fft, ndimage

FINEST = 0.08  # cycles a pixel, the standard deviation of the Gaussian by which frequencies fade out
SHIFT = (5, 9)  # pixels that a head may be off, down and across, of heads of 64 x 128


def spectra(pictures: np.ndarray) -> np.ndarray:
    """(n, height, width // 2 + 1) complex64 phases of (n, height, width) grey pictures, finer ones faded out."""
    height, width = pictures.shape[1:]
    detail = np.asarray(pictures, np.float32)
    detail = detail - _blur(detail, 4)
    detail /= np.sqrt(_blur(detail**2, 8) + 16)  # each part of the head counts alike; flat water stays quiet
    rim = np.sqrt(np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])).astype(np.float32)
    spectrum = fft.rfft2(detail * rim)
    square = fft.fftfreq(height)[:, None] ** 2 + fft.rfftfreq(width)[None] ** 2
    fade = np.exp(-square / (4 * FINEST**2))  # of each of two pictures; their product fades by FINEST
    fade[0, 0] = 0  # brightness says nothing
    return (spectrum * fade / np.maximum(np.abs(spectrum), 1e-6)).astype(np.complex64)


def correlation(query: np.ndarray, gallery: np.ndarray, *, size: tuple[int, int]) -> np.ndarray:
    """(m,) highest correlation of one picture and m others over all shifts up to SHIFT.

    Args:
        query: (height, width // 2 + 1) phases, see `spectra`.
        gallery: (m, height, width // 2 + 1) phases.
        size: (height, width) of the pictures, more than two SHIFTs.
    """
    surface = fft.irfft2(query * np.conj(gallery), s=size)
    down, across = (np.arange(-most, most + 1) for most in SHIFT)
    return surface[:, down[:, None], across].max((1, 2))


def _blur(pictures: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(pictures, (0, sigma, sigma))
