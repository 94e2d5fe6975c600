import numpy as np
import pytest
from sklearn import metrics as reference

from whale_jax.evaluation.probabilities import likeliest, normalise, of_groups, score


def test_normalised_probabilities_have_rows_that_sum_to_one_above_a_floor_and_uniform_where_nothing_is_known():
    p = normalise(np.array([[1.0, 0, 0, 0], [np.nan] * 4]), floor=1e-3)
    np.testing.assert_allclose(p.sum(1), 1)
    assert p[0].min() == pytest.approx(1e-3, rel=0.01)
    np.testing.assert_allclose(p[1], 0.25)


def test_the_likeliest_come_first_and_equals_in_their_order():
    p = np.array([[0.1, 0.4, 0.1, 0.4], [0.7, 0.1, 0.2, 0.0]])
    np.testing.assert_array_equal(likeliest(p, 3), [[1, 3, 0], [0, 2, 1]])
    assert likeliest(p[0], 1) == 1
    assert likeliest(p, 9).shape == (2, 4)


def test_score_is_kaggles_log_loss():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(5), 40)
    label = rng.integers(0, 5, 40)
    assert score(p, label)["log_loss"] == pytest.approx(reference.log_loss(label, p, labels=range(5)), rel=1e-5)


def test_photos_without_a_label_have_no_say_in_the_score():
    p, label = np.eye(3)[[0, 1, 2]] * 0.9 + 0.1 / 3, np.array([0, 2, -1])
    assert score(p, label) == pytest.approx(score(p[:2], label[:2]))
    assert score(p, label)["top1"] == 0.5


def test_photos_of_a_group_are_answered_by_bayes_rule():
    """Of photos that are independent given the whale, with whales equally likely, the product is the posterior."""
    rng = np.random.default_rng(0)
    p, group = rng.dirichlet(np.ones(4), 5), np.array([7, 2, 7, 2, 5])
    p[3] = np.nan  # answered by the other photo of its group
    answers = of_groups(p, group)
    np.testing.assert_allclose(answers[0], p[0] * p[2] / (p[0] * p[2]).sum())
    np.testing.assert_allclose(answers[[0, 1, 4]], [answers[2], p[1], p[4]])
    np.testing.assert_allclose(answers[3], p[1])
    means = of_groups(p, group, mean=True)
    np.testing.assert_allclose(means[0], np.sqrt(p[0] * p[2]) / np.sqrt(p[0] * p[2]).sum())
    np.testing.assert_allclose(means[[1, 3, 4]], p[[1, 1, 4]])
    assert np.isnan(of_groups(p[[3]], group[[3]], mean=True)).all()


def test_a_group_of_photos_without_an_answer_has_none():
    p = np.array([[np.nan, np.nan], [0.5, 0.5], [0.0, 1.0]])
    answers = of_groups(p, np.array([0, 1, 1]))
    assert np.isnan(answers[0]).all()
    np.testing.assert_allclose(answers[1], [0, 1], atol=1e-11)
