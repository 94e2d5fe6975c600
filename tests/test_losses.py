"""Losses, against scikit-learn, SciPy and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats
from sklearn import metrics as reference

from whale_jax import losses

CLASSES, BINS, WIDTH = 7, 32, 1.5


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    return rng.normal(0, 3, (20, CLASSES)).astype(np.float32), rng.integers(0, CLASSES, 20)


def bell(position, bins=BINS, width=WIDTH):
    """(..., bins) log of a normal density around positions in 0..1, taken at the middles of the bins."""
    return stats.norm.logpdf(np.arange(bins) + 0.5, np.asarray(position)[..., None] * bins, width).astype(np.float32)


def test_squared_error_is_the_mean_over_coordinates():
    a, b = np.random.default_rng(1).normal(size=(2, 5, 4)).astype(np.float32)
    assert_allclose(
        losses.squared_error(a, b), [reference.mean_squared_error(x, y) for x, y in zip(a, b, strict=True)], rtol=1e-5
    )


def test_cross_entropy_is_scikit_learns_log_loss(scores):
    logits, label = scores
    expected = reference.log_loss(label, special.softmax(logits.astype(np.float64), axis=1), labels=range(CLASSES))
    assert_allclose(losses.cross_entropy(logits, label).mean(), expected, rtol=1e-5)


def test_cross_entropy_of_huge_logits_is_finite():
    logits = np.array([[1e4, 0, -1e4]], np.float32)
    assert_allclose([losses.cross_entropy(logits, np.array([i]))[0] for i in range(3)], [0, 1e4, 2e4])


def test_smoothing_softens_the_target(scores):
    logits, label = scores
    target = 0.9 * np.eye(CLASSES)[label] + 0.1 / CLASSES
    expected = -(target * special.log_softmax(logits.astype(np.float64), axis=1)).sum(1)
    assert_allclose(losses.cross_entropy(logits, label, smoothing=0.1), expected, rtol=1e-5)
    gradient = jax.grad(lambda x: losses.cross_entropy(x, label, smoothing=0.1).sum())(logits)
    assert_allclose(gradient, special.softmax(logits, axis=1) - target, atol=1e-5)


def test_binned_cross_entropy_is_least_at_the_true_place():
    places = np.linspace(0.2, 0.8, 61)
    for i, place in enumerate(places):
        assert np.argmin(losses.binned_cross_entropy(bell(places), jnp.full(61, place), width=WIDTH)) == i


def test_binned_cross_entropy_is_at_least_the_entropy_of_its_bell():
    position = np.array([0.31, 0.5, 0.02])
    loss = losses.binned_cross_entropy(bell(position), position, width=WIDTH)
    assert_allclose(loss, stats.entropy(np.exp(bell(position)), axis=1), rtol=1e-4)
    pair = losses.binned_cross_entropy(bell(position)[None], position[None], width=WIDTH)
    assert_allclose(pair, [loss.mean()], rtol=1e-6)
    guesses = np.random.default_rng(2).normal(size=(150, BINS))
    values = losses.binned_cross_entropy(guesses, np.tile(position, 50), width=WIDTH)
    assert (values > np.tile(loss, 50)).all()


def test_binned_cross_entropy_moves_with_its_bins():
    logits = np.random.default_rng(3).normal(0, 1, BINS).astype(np.float32)
    loss = losses.binned_cross_entropy(logits, jnp.float32(0.4), width=0.5)
    moved_loss = losses.binned_cross_entropy(np.roll(logits, 3), jnp.float32(0.4 + 3 / BINS), width=0.5)
    assert_allclose(loss, moved_loss, rtol=1e-5)
