"""Retrieval, against scikit-learn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics as reference
from sklearn.neighbors import NearestNeighbors

from whale_jax.evaluation import retrieval

WHALES = 7  # number 6 is not in the gallery


@pytest.fixture
def sea():
    """Queries, gallery, and their whales: vectors about their whale's centre."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(WHALES, 5))
    label, query_label = rng.integers(0, WHALES - 1, 50), rng.integers(0, WHALES - 1, 300)
    queries, gallery = (3 * (centres[whale] + rng.normal(size=(len(whale), 5))) for whale in (query_label, label))
    return queries, gallery, query_label, label


@pytest.mark.parametrize("block", [7, 50, 64])
def test_nearest_is_scikit_learns_however_the_gallery_is_cut(sea, block):
    queries, gallery, *_ = sea
    distance, rows = NearestNeighbors(n_neighbors=9, metric="cosine").fit(gallery).kneighbors(queries)
    cosines, nearest_rows = retrieval.nearest(queries, gallery, k=9, block=block)
    assert_array_equal(nearest_rows, rows)
    assert_allclose(cosines, 1 - distance, atol=1e-5)


@pytest.mark.parametrize("block", [7, 64])
def test_a_whales_score_is_that_of_its_most_similar_photo(sea, block):
    queries, gallery, _, label = sea
    cosines = reference.pairwise.cosine_similarity(queries, gallery)
    scores = retrieval.by_photo(gallery, label=label, whales=WHALES, block=block)(queries)
    for whale in range(WHALES - 1):
        assert_allclose(scores[:, whale], cosines[:, label == whale].max(1), atol=1e-5)
    assert_array_equal(scores[:, WHALES - 1], -1)


def test_a_prototype_is_the_mean_of_unit_vectors(sea):
    queries, gallery, _, label = sea
    scores = retrieval.by_prototype(gallery, label=label, whales=WHALES)(queries)
    mean = (gallery / np.linalg.norm(gallery, axis=1, keepdims=True))[label == 2].mean(0)
    assert_allclose(scores[:, 2], reference.pairwise.cosine_similarity(queries, mean[None])[:, 0], atol=1e-5)
    assert_array_equal(scores[:, WHALES - 1], -1)


def test_average_precision_is_scikit_learns(sea):
    queries, gallery, query_label, label = sea
    labels = {"query_label": query_label, "label": label}
    cosines = reference.pairwise.cosine_similarity(queries, gallery)
    expected = [
        reference.average_precision_score(label == whale, row) for whale, row in zip(query_label, cosines, strict=True)
    ]
    assert_allclose(retrieval.average_precision(queries, gallery, **labels), expected, atol=1e-6)
    assert retrieval.average_precision(queries[:1], gallery, query_label=np.array([WHALES - 1]), label=label) == 0


def test_verification_is_scikit_learns_and_a_sample_is_near_it(sea):
    queries, gallery, query_label, label = sea
    labels = {"query_label": query_label, "label": label}
    cosines = reference.pairwise.cosine_similarity(queries, gallery)
    expected = reference.roc_auc_score((query_label[:, None] == label).ravel(), cosines.ravel())
    assert retrieval.verification(queries, gallery, **labels) == pytest.approx(expected, abs=1e-6)
    assert retrieval.verification(queries, gallery, **labels, pairs=5000) == pytest.approx(expected, abs=0.03)
    assert np.isnan(retrieval.verification(queries, gallery, query_label=0 * query_label, label=0 * label))


def test_spread_is_the_mean_square_distance_of_pairs(sea):
    gallery = sea[1] / np.linalg.norm(sea[1], axis=1, keepdims=True)
    distances = np.linalg.norm(gallery[:, None] - gallery, axis=-1)[np.triu_indices(len(gallery), 1)]
    assert retrieval.spread(sea[1]) == pytest.approx(np.sqrt((distances**2).mean()), rel=1e-5)
    assert retrieval.spread(np.ones((5, 3)) * np.arange(1, 6)[:, None]) == pytest.approx(0, abs=1e-3)


def test_a_score_of_photos_that_are_in_the_gallery_is_perfect(sea):
    _, gallery, _, label = sea
    score = retrieval.score(gallery, gallery, query_label=label, label=label, whales=WHALES)
    assert score["top1"] == 1.0
    assert score["top1"] >= score["prototype_top1"]
    assert 0.5 < score["auroc"] < 1


def test_queries_whose_whale_nobody_could_find_are_left_out(sea):
    queries, gallery, query_label, label = sea
    lost = query_label == 2
    mask = label != 2
    shown = gallery[mask], label[mask]
    expected = retrieval.score(queries[~lost], shown[0], query_label=query_label[~lost], label=shown[1], whales=WHALES)
    measured = retrieval.score(queries, shown[0], query_label=query_label, label=shown[1], whales=WHALES)
    assert measured == pytest.approx(expected)
    assert measured["top1"] > 0


def test_where_no_query_could_be_answered_nothing_but_the_spread_is_measured(sea):
    queries, gallery, query_label, label = sea
    absent = np.full_like(query_label, WHALES - 1)
    assert retrieval.score(queries, gallery, query_label=absent, label=label, whales=WHALES).keys() == {"spread"}
    assert retrieval.score(queries[:0], gallery, query_label=absent[:0], label=label, whales=WHALES).keys() == {
        "spread"
    }
    one_whale = {"query_label": 0 * query_label, "label": 0 * label}
    alike = retrieval.score(queries, gallery, **one_whale, whales=WHALES)
    assert "auroc" not in alike
    assert alike["top1"] == 1
