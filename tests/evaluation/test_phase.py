"""Phase correlation finds a patch again that was moved by less than its reach, in other light."""

import numpy as np
import pytest
from scipy import fft, ndimage

from whale_jax.evaluation import phase

PLACE = phase.patches(phase.SIZE)[20]


def heads(count):
    """(count, 64, 128) random pictures without details finer than a few pixels."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(count, *phase.SIZE)), (0, 2, 2))
    return 128 + 400 * noise


def spectra(pictures):
    """The phases of one patch of each picture."""
    return phase.spectra(phase.outlines(pictures)[:, *PLACE])


def test_patches_cover_the_head_as_the_fields_of_a_chessboard():
    places = phase.patches(phase.SIZE)
    covered = np.zeros(phase.SIZE, int)
    for place in places:
        covered[place] += 1
        assert covered[place].shape == (phase.PATCH, phase.PATCH)
    bare = np.zeros(phase.SIZE, bool)  # two corners lie under patches of the other colour alone
    bare[: phase.STEP, -phase.STEP :] = bare[-phase.STEP :, : phase.STEP] = True
    np.testing.assert_array_equal(covered == 0, bare)
    assert len(places) == 4 * 12 / 2


def test_a_head_that_is_moved_and_relit_is_most_like_itself():
    pictures = heads(6)
    moved = np.roll(pictures[2], (3, -6), axis=(0, 1)) * np.linspace(0.4, 1.2, 128) + 20
    likeness = phase.correlation(spectra(moved[None])[0], spectra(pictures)).max(1)
    assert likeness.argmax() == 2
    assert likeness[2] > 2 * np.delete(likeness, 2).max()


def test_a_head_that_is_moved_beyond_its_reach_is_lost():
    pictures = heads(6)
    near, far = (np.roll(pictures[2], shift, axis=0) for shift in (6, 16))
    near, far = (phase.correlation(spectra(side[None])[0], spectra(pictures))[2].max() for side in (near, far))
    assert near > 2 * far


def test_the_correlation_is_the_highest_of_whole_pictures_with_every_frequency_alike():
    """By SciPy: fft2 of both patches, divided by its size, faded, and back, with no frequency left out."""
    outlines = phase.outlines(heads(2))[:, *PLACE]
    window = np.hanning(phase.PATCH + 2)[1:-1]
    spectrum = fft.fft2(outlines * np.sqrt(np.outer(window, window)))
    square = fft.fftfreq(phase.PATCH)[:, None] ** 2 + fft.fftfreq(phase.PATCH) ** 2
    fade = np.exp(-square / (2 * phase.FINEST**2)) * (square > 0)
    surface = fft.ifft2(spectrum[0] * spectrum[1].conj() / np.abs(spectrum[0] * spectrum[1]) * fade).real
    surface *= phase.PATCH**2 / fade.sum()
    reach = np.arange(-phase.SHIFT, phase.SHIFT + 1)
    first, second = phase.spectra(outlines)
    correlation = phase.correlation(first, second[None])[0]
    np.testing.assert_allclose(correlation, surface[np.ix_(reach, reach)].ravel(), atol=0.01)


def test_a_patch_is_as_like_itself_as_can_be():
    first, second = spectra(heads(2))
    itself = phase.correlation(first, first[None])[0]
    assert itself.max() == pytest.approx(1, rel=1e-5)
    assert not phase.SHIFTS[itself.argmax()].any()
    assert phase.correlation(first, second[None]).max() < 0.5


def test_a_picture_of_nothing_is_like_no_other():
    black = spectra(np.zeros((1, *phase.SIZE)))
    assert np.isfinite(black).all()
    np.testing.assert_array_equal(phase.correlation(black[0], spectra(heads(2))), 0)
