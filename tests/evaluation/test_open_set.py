"""Measures against scikit-learn and by hand, and a threshold that keeps the error that it states."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import roc_auc_score, roc_curve

from whale_jax.evaluation import open_set

RNG = np.random.default_rng(0)
SCORE, UNKNOWN_SCORE = np.round(RNG.normal(1, 1, 80), 1), np.round(RNG.normal(0, 1, 60), 1)  # with ties
TRUTH = np.arange(140) < 80


def test_auroc_is_scikit_learns():
    assert open_set.auroc(SCORE, UNKNOWN_SCORE) == pytest.approx(
        roc_auc_score(TRUTH, np.concatenate([SCORE, UNKNOWN_SCORE]))
    )


def test_false_new_is_a_point_of_the_roc_curve():
    assert open_set.false_new(np.array([0, 1, 2, 3]), np.arange(10) / 5) == 0.5  # nine in ten are at 1.6 or below
    false, true, _ = roc_curve(~TRUTH, -np.concatenate([SCORE, UNKNOWN_SCORE]), drop_intermediate=False)
    assert open_set.false_new(SCORE, UNKNOWN_SCORE) == pytest.approx(false[true >= 0.9 - 1e-9].min())


def test_an_interval_is_of_whales_and_not_of_photos():
    whales = np.arange(80), np.arange(60)
    low, high = open_set.interval(open_set.auroc, (SCORE, UNKNOWN_SCORE), whales=whales, draws=400)
    assert low < open_set.auroc(SCORE, UNKNOWN_SCORE) < high
    copies = tuple(np.tile(side, 4) for side in (SCORE, UNKNOWN_SCORE))
    copied = open_set.interval(open_set.auroc, copies, whales=tuple(np.tile(side, 4) for side in whales), draws=400)
    assert_allclose(copied, [low, high])  # four copies of each photo say no more than one
    assert open_set.interval(open_set.auroc, copies, whales=(np.arange(320), np.arange(240)), draws=400)[0] > low


def test_what_is_named_right_is_measured_by_itself():
    score, enrolled = np.array([3.0, 2, 0, 1, 0]), np.array([True, True, True, False, False])
    right = np.array([True, True, False, False, False])
    measured = open_set.measure(score, enrolled, whale=np.arange(5), right=right, draws=10)
    assert (measured["auroc_right"], measured["auroc_wrong"]) == (1, 0.25)
    assert measured["top1"] == pytest.approx(2 / 3)
    assert measured["auroc"] == pytest.approx(2 / 3 * 1 + 1 / 3 * 0.25)  # a mean by top-1


def test_encounters_are_those_of_the_table():
    name, whale = np.array(["a", "", "a", "b", "a"]), np.array([0, 0, 1, 1, 0])
    number = open_set.encounters(name, whale, size=2)
    assert number[0] == number[4] != number[2] != number[3]
    assert number[1] == -1


def test_made_up_encounters_have_one_size_and_one_whale():
    number = open_set.encounters(np.full(8, ""), np.array([0, 1, 0, 0, 1, 0, 0, 2]), size=2)
    assert number.tolist() == [0, 1, 0, 3, 1, 3, -1, -1]


def test_photos_of_an_encounter_are_pooled_whale_by_whale():
    """Each photo is surest of a whale of its own, and together they are of a third."""
    answer = np.array([[9.0, 0, 8], [0, 9, 8], [1, 2, 3]])
    assert_allclose(open_set.pool(answer, np.array([4, 4, 7])), [[4.5, 4.5, 8], [1, 2, 3]])


@pytest.mark.parametrize(("count", "error"), [(39, 0.05), (50, 0.1), (200, 0.05)])
def test_known_whales_are_called_new_as_often_as_stated(count, error):
    rng, repeats = np.random.default_rng(0), 4000
    called = [rng.normal() < open_set.threshold(rng.normal(size=count), error=error) for _ in range(repeats)]
    expected = np.floor(error * (count + 1) + 1e-9) / (count + 1)
    assert expected <= error
    assert abs(np.mean(called) - expected) < 4 * np.sqrt(error / repeats)


def test_too_few_photos_for_an_error_call_nothing_new():
    assert open_set.threshold(np.arange(18.0), error=0.05) == -np.inf
    assert open_set.threshold(np.arange(19.0), error=0.05) == 0


def test_p_values_and_the_threshold_are_of_one_mind():
    new, grid = RNG.normal(size=500), np.concatenate([SCORE, SCORE - 1e-9])
    for score in (new, grid):
        called = score < open_set.threshold(SCORE, error=0.1)
        assert (called == (open_set.p_value(score, SCORE) <= 0.1)).all()


def test_the_posterior_is_bayes_rule():
    rng = np.random.default_rng(0)
    posterior = open_set.fit_posterior(rng.normal(2, 1, 30000), rng.normal(0, 1, 30000), prior=0.2)
    score = np.linspace(-1, 3, 9)
    ratio = np.exp(-((score - 0) ** 2) / 2 + (score - 2) ** 2 / 2) * 0.2 / 0.8
    assert_allclose(posterior(score), ratio / (1 + ratio), atol=0.05)


def test_the_posterior_never_rises_with_the_score():
    posterior = open_set.fit_posterior(SCORE, UNKNOWN_SCORE, prior=0.1)
    p = posterior(np.linspace(-99, 99, 1000))
    assert (np.diff(p) <= 1e-12).all()


def test_scores_far_apart_are_the_more_certain_the_more_photos_have_them():
    certain = []
    for count in (5, 50, 500):
        p = open_set.fit_posterior(np.full(count, 9.0), np.zeros(count), prior=0.1)(np.array([-5, 0, 9, 20]))
        assert_allclose(p[:2], 0.1 * count / (count + 1) / (0.1 * count / (count + 1) + 0.9 / (count + 1)))
        assert_allclose(p[2:], 0.1 / (count + 1) / (0.1 / (count + 1) + 0.9 * count / (count + 1)))
        certain.append(p[0] - p[2])
    assert certain == sorted(certain)


def test_the_mean_of_the_posterior_is_the_assumed_share_of_new_whales():
    """Wherever the scores pile up, such as at an answer that cannot be surer."""
    rng = np.random.default_rng(1)
    for score, unknown_score in (
        (np.minimum(rng.normal(5, 1, 300), 4), np.minimum(rng.normal(0, 3, 200), 4.0001)),
        (rng.normal(2, 1, 300), rng.normal(0, 1, 200)),
    ):
        posterior = open_set.fit_posterior(score, unknown_score, prior=0.1)
        mean = 0.9 * posterior(score).mean() + 0.1 * posterior(unknown_score).mean()
        assert mean == pytest.approx(0.1, abs=0.01)
        assert posterior(score).mean() < posterior(unknown_score).mean()
