"""Whitening within whales against a plain computation, and where there is little to fit it on."""

import numpy as np
import pytest
from scipy.spatial import distance

from whale_jax.evaluation import metrics, retrieval, whitening


@pytest.fixture
def heads():
    """(60, 12) features of 20 whales with three photos each, and their whales; they vary most where whales do not."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(20), 3)
    noise = rng.normal(0, 1, (60, 12)) * np.array([6.0] * 4 + [0.5] * 8)
    return rng.normal(0, 1, (20, 12))[label] + noise + 10, label


def test_cosines_are_those_of_the_inverse_covariance(heads):
    features, label = heads
    vectors = whitening.whiten(features[:50], label[:50])(features[50:])
    centred = features - features[:50].mean(0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    rows = [centred[:50][label[:50] == whale] for whale in range(17)]
    scatter = sum((photos - photos.mean(0)).T @ (photos - photos.mean(0)) for photos in rows)
    within = scatter / (50 - 17)
    within += np.eye(12) * np.trace(within) / 12
    queries = centred[50:] - centred[:50].mean(0)
    metric = queries @ np.linalg.inv(within) @ queries.T
    expected = metric / np.sqrt(np.outer(metric.diagonal(), metric.diagonal()))
    np.testing.assert_allclose(1 - distance.cdist(vectors, vectors, "cosine"), expected, atol=2e-3)


def test_more_whales_are_named_than_by_plain_or_centred_features(heads):
    features, label = heads
    gallery, queries = np.arange(60) % 3 > 0, np.arange(60) % 3 == 0
    features = features + np.random.default_rng(1).normal(0, 1, (20, 12))[label] * ([0] * 4 + [3] * 8)

    def top1(fit):
        transform = fit(features[gallery], label[gallery])
        vectors = transform(features)
        scores = retrieval.by_photo_and_prototype(vectors[queries], vectors[gallery], label=label[gallery], whales=20)
        return metrics.top_k(scores, label[queries], k=1).mean()

    assert top1(whitening.whiten) > top1(whitening.centre) >= top1(whitening.leave)


def test_whales_with_one_photo_each_leave_the_features_centred(heads):
    features = heads[0][:5]
    whitened = whitening.whiten(features, np.arange(5))(features)
    np.testing.assert_array_equal(whitened, whitening.centre(features, np.arange(5))(features))


def test_photos_that_are_all_alike_give_finite_vectors():
    alike = np.full((6, 4), 0.25, np.float16)
    for fit in whitening.TRANSFORMS.values():
        assert np.isfinite(fit(alike, np.array([0, 0, 1, 1, 2, 2]))(alike)).all()


def test_few_components_keep_the_directions_of_largest_variance(heads):
    features, label = heads
    vectors = whitening.whiten(features, label, components=4)(features)
    assert vectors.shape == (60, 4)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
