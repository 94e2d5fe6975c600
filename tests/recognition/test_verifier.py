"""What patches say is learned from heads of known whales, and weighed as scikit-learn's regression does."""

import numpy as np
import pytest
from scipy import special
from sklearn.linear_model import LogisticRegression

from whale_jax.recognition import verifier

PLAIN = verifier.mean(2)


@pytest.fixture
def pairs():
    """(4000, 6) evidence, of which the first number tells whether both heads are of a whale, and which are."""
    rng = np.random.default_rng(0)
    same = rng.random(4000) < 0.1
    evidence = rng.normal(0.2, 0.05, (4000, 6)) + np.outer(same, [0.1, 0, 0, 0, 0, 0])
    return evidence.astype(np.float16), same


def test_a_patch_counts_by_what_it_tells(pairs):
    evidence, same = pairs
    learned = verifier.fit(evidence, same, otherwise=PLAIN)
    assert learned.weights[0] > 10 * abs(learned.weights[1:]).max()
    odds, plain = learned(evidence), PLAIN(evidence)
    right = [np.mean(side[same][:, None] > side[~same]) for side in (odds, plain)]
    assert right[0] > 0.9 > 0.85 > right[1]


def test_its_log_odds_are_those_of_a_regression_on_numbers_of_one_scale(pairs):
    evidence, same = np.float64(pairs[0]), pairs[1]
    scaled = (evidence - evidence.mean(0)) / evidence.std(0)
    expected = LogisticRegression(C=verifier.STRENGTH, tol=1e-8).fit(scaled, same).decision_function(scaled)
    np.testing.assert_allclose(verifier.fit(*pairs, otherwise=PLAIN)(evidence), expected, atol=2e-2)


def test_without_both_answers_there_is_nothing_to_learn(pairs):
    evidence, same = pairs
    for answers in (np.ones_like(same), np.zeros_like(same)):
        plain = verifier.fit(evidence, answers, otherwise=PLAIN)
        np.testing.assert_allclose(plain(evidence), evidence[:, :2].mean(1), rtol=2e-3)


def test_what_was_learned_is_kept(pairs, tmp_path):
    learned = verifier.fit(*pairs, otherwise=PLAIN)
    verifier.save(tmp_path, learned)
    np.testing.assert_array_equal(verifier.reopen(tmp_path)(pairs[0]), learned(pairs[0]))


def test_examples_have_another_photo_of_their_whale_and_photos_of_others_to_compare_with():
    label = np.r_[np.repeat(np.arange(40), 3), 40, 41]  # two whales have one photo each
    rows, references = verifier.examples(label, count=50)
    assert len(rows) == len({*rows.tolist()}) == 50
    assert label[rows].max() < 40
    for row, compared in zip(rows, references, strict=True):
        assert row not in compared
        assert (label[compared] == label[row]).sum() == 2
        whales = {*label[compared].tolist()}
        assert len(whales) == verifier.WHALES
        assert set(np.flatnonzero(np.isin(label, [*whales]))) == {row, *compared.tolist()}
    assert not len(verifier.examples(np.arange(5), count=50)[0])


def test_the_odds_of_a_whales_photos_are_added_up_over_the_root_of_their_number(pairs):
    odds, label = np.array([1.0, -2.0, 0.5, 3.0], np.float32), np.array([0, 0, 0, 2])
    expected = [special.logsumexp(odds[:3]) - np.log(3) / 2, np.nan, 3.0]
    expected[1] = (expected[0] + expected[2]) / 2  # no photo of this whale was compared
    np.testing.assert_allclose(verifier.fit(*pairs, otherwise=PLAIN).answer(odds, label, whales=3), expected, rtol=1e-5)
    np.testing.assert_allclose(PLAIN.answer(odds, label, whales=3), [1, 2, 3], atol=1e-3)
    assert not PLAIN.answer(odds[:0], label[:0], whales=3).any()
