import numpy as np
import pytest
from sklearn import metrics as reference

from whale_jax.evaluation.probabilities import normalise, score


def test_normalised_probabilities_have_rows_that_sum_to_one_above_a_floor_and_uniform_where_nothing_is_known():
    p = normalise(np.array([[1.0, 0, 0, 0], [np.nan] * 4]), floor=1e-3)
    np.testing.assert_allclose(p.sum(1), 1)
    assert p[0].min() == pytest.approx(1e-3, rel=0.01)
    np.testing.assert_allclose(p[1], 0.25)


def test_score_is_kaggles_log_loss():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(5), 40)
    label = rng.integers(0, 5, 40)
    assert score(p, label)["log_loss"] == pytest.approx(reference.log_loss(label, p, labels=range(5)), rel=1e-5)


def test_photos_without_a_label_have_no_say_in_the_score():
    p, label = np.eye(3)[[0, 1, 2]] * 0.9 + 0.1 / 3, np.array([0, 2, -1])
    assert score(p, label) == pytest.approx(score(p[:2], label[:2]))
    assert score(p, label)["top1"] == 0.5
