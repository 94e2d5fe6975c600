"""The evidence of two heads against phase correlation itself, and for a head that was moved as a whole."""

import numpy as np
from threadpoolctl import threadpool_limits

from tests.evaluation.test_phase import heads
from whale_jax.evaluation import phase
from whale_jax.recognition import patches


def evidence_of(picture, gallery):
    """(3, patches, m) evidence of one picture and m others."""
    references = [np.arange(len(gallery))]
    [evidence] = patches.compare(
        phase.outlines(picture[None]), phase.outlines(gallery), references=references, title="test"
    )
    assert evidence.shape == (len(gallery), 3 * patches.COUNT)
    return np.moveaxis(evidence.reshape(len(gallery), 3, -1), 0, 2)


def test_peak_and_spread_are_those_of_the_correlation_of_each_patch():
    pictures = heads(4)
    peak, spread, _ = evidence_of(pictures[0], pictures[1:])
    outlines = phase.outlines(pictures)
    for i, place in enumerate(phase.patches(phase.SIZE)):
        spectra = phase.spectra(outlines[:, *place])
        surface = phase.correlation(spectra[0], spectra[1:])
        np.testing.assert_allclose(peak[i], surface.max(1), atol=1e-3)
        np.testing.assert_allclose(spread[i], surface.std(1), atol=1e-3)


def test_the_patches_of_a_head_that_was_moved_agree_and_those_of_another_head_do_not():
    first, second = heads(2)
    moved = np.roll(first, (2, -3), axis=(0, 1))
    peak, _, displacement = evidence_of(first, np.stack([moved, second]))
    inside = [i for i, (rows, _) in enumerate(phase.patches(phase.SIZE)) if rows.start > 0]  # what rolls in is other
    assert np.median(displacement[inside, 0]) == 0
    assert displacement[:, 1].mean() > 2
    assert peak[inside, 0].mean() > 2 * peak[:, 1].mean()


def test_a_head_without_references_has_no_evidence():
    outlines = phase.outlines(heads(2))
    [evidence] = patches.compare(outlines[:1], outlines[:0], references=[np.zeros(0, int)], title="test")
    assert evidence.shape == (0, 3 * patches.COUNT)


def test_evidence_does_not_depend_on_the_number_of_threads_of_blas():
    rng = np.random.default_rng(0)
    queries, gallery = (phase.outlines(rng.normal(100, 20, (count, *phase.SIZE))) for count in (6, 600))
    evidence = []
    for number in (1, 2):
        with threadpool_limits(number, user_api="blas"):
            evidence.append(patches.compare(queries, gallery, references=6 * [np.arange(600)], title="heads"))
    np.testing.assert_array_equal(*evidence)
