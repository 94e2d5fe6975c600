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
    metric = centred[50:] @ np.linalg.inv(within) @ centred[50:].T
    expected = metric / np.sqrt(np.outer(metric.diagonal(), metric.diagonal()))
    np.testing.assert_allclose(1 - distance.cdist(vectors, vectors, "cosine"), expected, atol=2e-3)


def test_more_whales_are_named_than_by_plain_or_centred_features(heads):
    features, label = heads
    gallery, queries = np.arange(60) % 3 > 0, np.arange(60) % 3 == 0
    features = features + np.random.default_rng(1).normal(0, 1, (20, 12))[label] * ([0] * 4 + [3] * 8)

    def top1(fit):
        transform = fit(features[gallery], label[gallery])
        vectors = transform(features)
        score = retrieval.by_photo_and_prototype(vectors[gallery], label=label[gallery], whales=20)
        scores = score(vectors[queries])
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


def test_more_features_than_photos_are_whitened_in_the_space_of_the_photos(heads):
    """Features that are turned into a space of many dimensions are as alike as before."""
    features, _ = heads
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(200, 12)))[0]
    few, wide = (whitening.span(vectors) for vectors in (features, features @ turned.T))
    assert few.coordinates.shape == (60, 12)
    assert wide.coordinates.shape == (60, 60)
    shifted = features[::2] + 1
    few, wide = (
        rows @ space.basis.T @ space.coordinates.T for space, rows in ((few, shifted), (wide, shifted @ turned.T))
    )
    np.testing.assert_allclose(few, wide, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("width", [12, 200])
@pytest.mark.parametrize("most", [60, 45])
@pytest.mark.parametrize("name", whitening.TRANSFORMS)
def test_the_photos_that_it_is_fitted_on_are_transformed_as_any_others(heads, width, most, name):
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(width, 12)))[0]
    features = (heads[0] @ turned.T).astype(np.float32)
    limit = {"most": most} if name == "whiten" else {}
    fitted = whitening.TRANSFORMS[name](features, heads[1], **limit)
    np.testing.assert_allclose(fitted.vectors, fitted(features), atol=2e-3)


def test_directions_that_no_photo_has_count_for_nothing(heads):
    features, label = np.zeros((60, 100)), heads[1]
    features[:, :30] = np.random.default_rng(0).normal(size=(60, 30)) + np.eye(30)[label]
    beside = features.copy()
    beside[:, 99] = 5 * (np.arange(60) >= 50)
    first, second = (whitening.whiten(features[:50], label[:50])(side[50:]) for side in (features, beside))
    np.testing.assert_allclose(first @ first.T, second @ second.T, atol=0.1)


def test_a_draw_of_many_photos_fits_nearly_what_all_do(heads):
    features, label = heads
    vectors = [whitening.whiten(features, label, most=most)(features) for most in (60, 50)]
    np.testing.assert_allclose(*(array @ array.T for array in vectors), atol=0.3)
    assert not np.array_equal(*vectors)
