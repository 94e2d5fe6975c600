"""The sea of drawn photos: colours, waves, glint and foam, from above. `sea` is the way in."""

from typing import NamedTuple

import numpy as np
from scipy import fft

WATER = np.float32([(22, 66, 98), (18, 82, 100), (62, 104, 142), (36, 56, 56), (96, 98, 94), (16, 36, 66)]) / 255


def smoothstep(edges: tuple[float, float], x: np.ndarray | float) -> np.ndarray:
    """0 below the first of two edges, 1 above the second, smooth between, for (..., n) values of x."""
    low, high = edges
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def fractal(rng, size, *, coarse: float, slope: float = 1.6) -> np.ndarray:
    """(height, width) noise of mean 0 and s.d. 1, with structure from `coarse` pixels down."""
    fy, fx = fft.fftfreq(size[0])[:, None], fft.rfftfreq(size[1])
    shape = ((fx**2 + fy**2 + coarse**-2) ** (-slope / 2)).astype(np.float32)
    noise = fft.irfft2(fft.rfft2(rng.standard_normal(size, np.float32)) * shape, size)
    return (noise - noise.mean()) / noise.std()


def waves(rng, size, *, head: float, time: float, sun: complex) -> tuple[np.ndarray, np.ndarray]:
    """Height of a wind sea and its slope towards the sun, both (height, width) of s.d. 1.

    Args:
        rng: decides wind and waves.
        size: (height, width) in pixels.
        head: pixels in a head length, some 2 m.
        time: seconds; the sea of one rng moves on with it.
        sun: direction of the sun, x + iy.
    """
    fy, fx = head * fft.fftfreq(size[0])[:, None], head * fft.rfftfreq(size[1])
    f = np.hypot(fx, fy) + 1e-6
    length, wind = rng.uniform(0.5, 2.5), sun * np.exp(1j * rng.uniform(-0.9, 0.9))
    along = (fx * wind.real + fy * wind.imag) / f
    amplitude = f**-2.0 * np.exp(-((length * f) ** -2)) * (0.08 + along**2)
    phase = np.exp(-1j * time * np.sqrt(9.8 * np.pi * f) * np.sign(along))  # deep water: omega^2 = g k
    spectrum = fft.rfft2(rng.standard_normal(size, np.float32)) * (amplitude * phase).astype(np.complex64)
    towards = (2j * np.pi * (fx * sun.real + fy * sun.imag)).astype(np.complex64)
    height, slope = (fft.irfft2(s, size) for s in (spectrum, spectrum * towards))
    return height / height.std(), slope / slope.std()


class Sea(NamedTuple):
    """The sea from the air, each (height, width) but the colours.

    Attributes:
        colour: (height, width, 3), without foam and glint.
        sky: (3,) the light that it mirrors.
        height: of the waves, s.d. 1.
        slope: of the waves towards the sun, s.d. 1.
        glint: how much of a pixel is the sun's image, 0..1.
        lace: the net that foam breaks into, 1 on its threads.
        breaking: how much air breaking waves beat into the water, 0..1.
    """

    colour: np.ndarray
    sky: np.ndarray
    height: np.ndarray
    slope: np.ndarray
    glint: np.ndarray
    lace: np.ndarray
    breaking: np.ndarray


def sea(rng, size, *, head: float, time: float, sun: complex) -> Sea:
    """Open water; arguments as of `waves`."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    height, slope = waves(rng, size, head=head, time=time, sun=sun)
    patches = fractal(rng, size, coarse=3 * head, slope=2.5)
    first, second = WATER[rng.choice(len(WATER), 2, replace=False)]
    water = (first + rng.uniform(0, 0.5) * (second - first)) * rng.uniform(0.75, 1.25)
    sky = rng.uniform(0.25, 0.4) + 0.65 * water
    sunward = ((x / size[1] - 0.5) * sun.real + (y / size[1] - 0.5) * sun.imag) * rng.uniform(0, 1)
    mirror = np.clip(0.16 + 0.10 * slope + 0.05 * patches + 0.3 * sunward, 0, 1) ** 1.3 * rng.uniform(0.3, 1.6)
    colour = water + (sky - water) * np.minimum(mirror, 1)[..., None]
    glint = smoothstep((0, 1.0), slope + 0.6 * patches + 2 * sunward - rng.uniform(1.5, 5.0))
    lace = 1 - np.abs(fractal(rng, size, coarse=0.6 * head, slope=2.1)) / 1.6
    breaking = 0.7 * smoothstep((0, 1.5), height + 0.5 * patches - rng.uniform(2.0, 5.0))
    return Sea(colour, sky, height, slope, glint, lace, breaking)
