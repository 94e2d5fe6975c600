"""Metrics, against scikit-learn and by hand; sums and counts over any batching."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special
from sklearn import metrics as reference

from whale_jax.data import loader
from whale_jax.evaluation import metrics
from whale_jax.train import loop
from whale_jax.train.parallel import parallel

CLASSES = 9


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    return rng.normal(0, 2, (40, CLASSES)).astype(np.float32), rng.integers(0, CLASSES, 40)


def test_log_loss_is_scikit_learns(scores):
    logits, label = scores
    expected = reference.log_loss(label, special.softmax(logits.astype(np.float64), axis=1), labels=range(CLASSES))
    assert_allclose(metrics.log_loss(logits, label).mean(), expected, rtol=1e-5)


def test_log_loss_clips_as_kaggle_did(scores):
    logits, label = 60 * scores[0], scores[1]  # many probabilities below 1e-15
    p = np.clip(special.softmax(logits.astype(np.float64), axis=1), 1e-15, 1 - 1e-15)
    clipped = metrics.log_loss(logits, label, clip=metrics.KAGGLE_CLIP)
    assert_allclose(clipped, -np.log(p[np.arange(len(p)), label]), rtol=1e-5, atol=1e-5)
    assert_allclose(clipped.max(), -np.log(1e-15), rtol=1e-5)
    assert metrics.log_loss(logits, label).max() > clipped.max()


@pytest.mark.parametrize("k", [1, 2, 5, CLASSES - 1])
def test_top_k_is_scikit_learns(scores, k):
    logits, label = scores
    expected = reference.top_k_accuracy_score(label, logits, k=k, labels=range(CLASSES), normalize=False)
    assert metrics.top_k(logits, label, k=k).sum() == expected


def test_ties_count_against():
    label = np.array([0, 1, 2])
    assert_array_equal(metrics.top_k(np.zeros((3, CLASSES)), label, k=1), 0)
    assert_array_equal(metrics.top_k(np.zeros((3, CLASSES)), label, k=CLASSES), 1)
    pair = np.array([[2.0, 1, 1, 0]])  # 1 and 2 share the second place: both are third
    assert_array_equal([metrics.top_k(pair, np.array([i]), k=2)[0] for i in range(4)], [1, 0, 0, 0])


def test_scores_that_are_not_numbers_find_nothing():
    assert_array_equal(metrics.top_k(np.full((2, CLASSES), np.nan), np.array([0, 1]), k=5), 0)


def test_a_value_of_weight_zero_may_be_anything():
    values = np.array([1.0, np.nan, 2.0, np.inf])
    assert_array_equal(metrics.masked(values, np.array([1.0, 0, 1, 0])), (3, 2))


def test_means_divide_and_admit_that_nothing_was_counted():
    means = metrics.means({"a": (np.float32(3), np.float32(4)), "none": (np.float32(0), np.float32(0))})
    assert means["a"] == 0.75
    assert np.isnan(means["none"])


def test_point_error_is_in_head_lengths():
    points = np.array([[[0.0, 0], [3, 4]]])  # a head of 5 pixels
    moved = points + np.array([[[0, 10.0], [0, 0]]])  # the bonnet off by 10, the blowhead right
    assert_allclose(metrics.point_error(moved, points), 1)
    assert_allclose(metrics.point_error(100 * moved + 7, 100 * points + 7), 1)
    swapped = points[:, ::-1]
    assert_allclose(metrics.point_error(swapped, points), 1)


def test_pck_counts_errors_up_to_the_bound():
    points = np.tile([[0.0, 0], [0, 8]], (4, 1, 1))
    predicted = points + np.array([0, 1, 2, 3])[:, None, None] * np.array([1.0, 0])  # errors of 0, 1/8, 2/8, 3/8
    assert_array_equal(metrics.pck(predicted, points, within=0.25), [1, 1, 1, 0])


class Rows:
    """Something with the loader's interface: 17 rows of logits and labels."""

    def __init__(self, count=17):
        rng = np.random.default_rng(4)
        self.columns = {
            "logits": rng.normal(0, 2, (count, CLASSES)).astype(np.float32),
            "label": rng.integers(0, CLASSES, count),
        }

    def __getitem__(self, rows):
        return {name: value[rows] for name, value in self.columns.items()}


@pytest.mark.parametrize("batch", [3, 8, 17])
def test_an_evaluation_does_not_depend_on_the_batch_size(batch):
    @jax.jit
    def eval_step(state, batch):
        log_loss = metrics.log_loss(batch["logits"], batch["label"])
        top1 = metrics.top_k(batch["logits"], batch["label"], k=1)
        sums = {"log_loss": metrics.masked(log_loss, batch["mask"]), "top1": metrics.masked(top1, batch["mask"])}
        return sums, {"logits": batch["logits"]}

    rows, order = Rows(), np.random.default_rng(5).permutation(17)
    batches = loader.evaluation(rows, order, batch=batch)
    means, predicted = loop.evaluate(eval_step, None, batches=batches, parallel=parallel("jit", 1))
    ordered = rows[order]
    p = special.softmax(ordered["logits"].astype(np.float64), axis=1)
    assert_allclose(means["log_loss"], reference.log_loss(ordered["label"], p, labels=range(CLASSES)), rtol=1e-6)
    assert_allclose(means["top1"], reference.accuracy_score(ordered["label"], p.argmax(1)), rtol=1e-12)
    assert_array_equal(predicted["logits"], ordered["logits"])
