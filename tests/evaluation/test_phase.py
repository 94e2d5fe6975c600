"""Phase correlation finds a head again that was moved by less than its reach, in other light."""

import numpy as np
from scipy import fft, ndimage

from whale_jax.evaluation import phase

SIZE = (64, 128)


def heads(count):
    """(count, 64, 128) random pictures without details finer than a few pixels."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(count, *SIZE)), (0, 2, 2))
    return 128 + 400 * noise


def test_a_head_that_is_moved_and_relit_is_most_like_itself():
    pictures = heads(6)
    moved = np.roll(pictures[2], (3, -7), axis=(0, 1)) * np.linspace(0.4, 1.2, 128) + 20
    likeness = phase.correlation(phase.spectra(moved[None])[0], phase.spectra(pictures), size=SIZE)
    assert likeness.argmax() == 2
    assert likeness[2] > 2 * np.delete(likeness, 2).max()


def test_a_head_that_is_moved_beyond_its_reach_is_lost():
    pictures = heads(6)
    near, far = (np.roll(pictures[2], shift, axis=0) for shift in (5, 16))
    gallery = phase.spectra(pictures)
    near, far = (phase.correlation(phase.spectra(side[None])[0], gallery, size=SIZE)[2] for side in (near, far))
    assert near > 2 * far


def test_the_correlation_is_the_sum_over_frequencies_that_it_stands_for():
    first, second = phase.spectra(heads(2))
    full = [fft.fft2(fft.irfft2(side, s=SIZE)) for side in (first, second)]
    y, x = fft.fftfreq(64)[:, None], fft.fftfreq(128)[None]
    expected = max(
        (full[0] * np.conj(full[1]) * np.exp(2j * np.pi * (y * down + x * across))).sum().real / (64 * 128)
        for down in range(-5, 6)
        for across in range(-9, 10)
    )
    np.testing.assert_allclose(phase.correlation(first, second[None], size=SIZE), [expected], rtol=1e-4)


def test_a_picture_of_nothing_is_like_no_other():
    black = phase.spectra(np.zeros((1, *SIZE)))
    assert np.isfinite(black).all()
    np.testing.assert_array_equal(phase.correlation(black[0], phase.spectra(heads(2)), size=SIZE), 0)
