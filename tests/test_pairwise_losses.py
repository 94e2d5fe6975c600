"""Losses between pictures, against sums over every pair and triplet written out, one after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from whale_jax import losses

PAIRWISE = [loss.__name__ for loss in losses.PAIRWISE]
LABEL = np.array([0, 0, 0, 1, 1, 2, 3, 3, 3, 3])  # 2 has one picture


@pytest.fixture
def crowd():
    """Distances of unit vectors, and masks of those of the same whale and of another."""
    vectors = np.random.default_rng(0).normal(size=(len(LABEL), 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    distance = np.linalg.norm(vectors[:, None] - vectors, axis=-1)
    alike = LABEL[:, None] == LABEL
    return distance, alike & ~np.eye(len(LABEL), dtype=bool), ~alike


def triplets(distance, same, other, cost):
    """For each anchor, cost(distance of the positive, of the negative) of every positive and every negative."""
    return [
        np.array([[cost(row[p], row[n]) for n in np.flatnonzero(negatives)] for p in np.flatnonzero(positives)])
        for row, positives, negatives in zip(distance, same, other, strict=True)
    ]


def test_supervised_contrastive_is_the_cross_entropy_of_each_positive_among_all_others(crowd):
    distance, same, other = crowd
    expected = np.zeros(len(LABEL))
    for i, row in enumerate(distance):
        cosine = 1 - np.delete(row, i) ** 2 / 2
        p = np.exp(cosine / 0.2) / np.exp(cosine / 0.2).sum()
        positives = np.delete(same[i], i)
        expected[i] = -np.log(p[positives]).mean() if positives.any() else 0
    assert_allclose(losses.supervised_contrastive(*crowd, temperature=0.2), expected, rtol=1e-5)
    gradient = jax.grad(lambda d: losses.supervised_contrastive(d, same & False, other & False, temperature=0.2).sum())(
        distance
    )
    assert_array_equal(gradient, 0)


def test_distances_are_those_of_numpy():
    a, b = (np.random.default_rng(i).normal(size=(n, 5)) for i, n in ((0, 4), (1, 6)))
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    assert_allclose(losses.distances(a, b), np.linalg.norm(a[:, None] - b, axis=-1), atol=1e-5)


def test_batch_all_is_the_mean_of_violating_triplets(crowd):
    costs = [c[c > 0] for c in triplets(*crowd, lambda p, n: 0.2 + p - n)]
    expected = [c.mean() if c.size else 0 for c in costs]
    assert_allclose(losses.batch_all(*crowd, margin=0.2), expected, rtol=1e-5)
    assert 0 < sum(c.size > 0 for c in costs) < len(LABEL)


def test_batch_hard_is_the_worst_triplet(crowd):
    costs = triplets(*crowd, lambda p, n: 0.2 + p - n)
    assert_allclose(losses.batch_hard(*crowd, margin=0.2), [max(c.max(initial=0), 0) for c in costs], rtol=1e-5)


def test_semi_hard_takes_the_nearest_negative_beyond_the_positive_or_the_farthest(crowd):
    distance, same, other = crowd
    expected, fell_back = np.zeros(len(LABEL)), 0
    for i, row in enumerate(distance):
        costs = []
        for p in row[same[i]]:
            beyond = row[other[i]][row[other[i]] > p]
            fell_back += not beyond.size
            costs.append(max(0.5 + p - (beyond.min() if beyond.size else row[other[i]].max()), 0))
        expected[i] = np.mean(costs) if costs else 0
    assert fell_back
    assert_allclose(losses.semi_hard(*crowd, margin=0.5), expected, rtol=1e-5)


def test_contrastive_pulls_pairs_and_pushes_others_within_the_margin(crowd):
    distance, same, other = crowd
    pull = [
        np.mean(row[positives] ** 2) if positives.any() else 0 for row, positives in zip(distance, same, strict=True)
    ]
    push = [np.mean(np.maximum(1.2 - row[negatives], 0) ** 2) for row, negatives in zip(distance, other, strict=True)]
    assert_allclose(losses.contrastive(*crowd, margin=1.2), np.add(pull, push), rtol=1e-5)


def test_multi_similarity_is_the_papers_sums(crowd):
    distance, same, other = crowd
    alike, expected = 1 - distance**2 / 2, np.zeros(len(LABEL))
    for i, row in enumerate(alike):
        if not same[i].any():
            continue
        negatives = [s for s in row[other[i]] if s > row[same[i]].min() - 0.1]
        positives = [s for s in row[same[i]] if s < row[other[i]].max() + 0.1]
        expected[i] = np.log1p(sum(np.exp(-2 * (s - 0.5)) for s in positives)) / 2
        expected[i] += np.log1p(sum(np.exp(50 * (s - 0.5)) for s in negatives)) / 50
    assert_allclose(losses.multi_similarity(*crowd, margin=0.1), expected, rtol=1e-4)


def test_active_is_the_share_of_triplets_that_violate_the_margin(crowd):
    shares = [np.mean(c > 0) if c.size else 0 for c in triplets(*crowd, lambda p, n: 0.2 + p - n)]
    assert_allclose(losses.active(*crowd, margin=0.2), shares, rtol=1e-5)
    collapsed = jnp.zeros_like(crowd[0])
    assert_array_equal(losses.active(collapsed, *crowd[1:], margin=0.2), losses.usable(*crowd[1:]))


@pytest.mark.parametrize("name", [name for name in PAIRWISE if name != "contrastive"])
def test_an_anchor_without_a_positive_or_a_negative_costs_nothing(name, crowd):
    distance, same, other = crowd
    assert losses.LOSSES[name](distance, same, other, margin=2.0)[5] == 0  # the only picture of its whale
    assert_array_equal(losses.LOSSES[name](distance, same, other & False, margin=2.0), 0)


@pytest.mark.parametrize("name", PAIRWISE)
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_gradients_are_finite_even_where_all_pictures_coincide(name, spread, crowd):
    def loss(vectors):
        vectors /= jnp.linalg.norm(vectors, axis=1, keepdims=True)
        return losses.LOSSES[name](losses.distances(vectors, vectors), *crowd[1:], margin=0.3).sum()

    vectors = jnp.ones((len(LABEL), 3)) + spread * jax.random.normal(jax.random.key(0), (len(LABEL), 3))
    assert jnp.isfinite(jax.grad(loss)(vectors)).all()


@pytest.mark.parametrize("name", [*PAIRWISE, "active"])
def test_memory_is_that_of_pairs_and_not_of_triplets(name):
    anchors, gallery = 32, 2048
    loss = getattr(losses, name)

    def step(distance, same, other):
        return jax.value_and_grad(lambda d: loss(d, same, other, margin=0.2).astype(jnp.float32).sum())(distance)

    shapes = [jax.ShapeDtypeStruct((anchors, gallery), kind) for kind in (jnp.float32, bool, bool)]
    used = jax.jit(step).lower(*shapes).compile().memory_analysis().temp_size_in_bytes
    assert used < 64 * anchors * gallery * 4


@pytest.mark.parametrize("name", ["batch_all", "semi_hard"])
def test_the_gradient_is_that_of_the_triplets_written_out(crowd, name):
    distance, same, other = crowd
    triplet = same[:, :, None] & other[:, None, :]

    def written_out(distance):
        positive, negative = distance[:, :, None], distance[:, None, :]
        if name == "batch_all":
            cost = jnp.where(triplet, jnp.maximum(0.2 + positive - negative, 0), 0)
            return (cost.sum((1, 2)) / jnp.maximum((cost > 0).sum((1, 2)), 1)).sum()
        farther = other[:, None, :] & (negative > positive)
        beyond = jnp.where(farther, negative, 9.0).min(2)
        farthest = jnp.where(other, distance, -9.0).max(1, keepdims=True)
        cost = jnp.maximum(0.2 + distance - jnp.where(farther.any(2), beyond, farthest), 0)
        return (jnp.where(same, cost, 0).sum(1) / jnp.maximum(same.sum(1), 1)).sum()

    gradient = jax.grad(lambda d: getattr(losses, name)(d, same, other, margin=0.2).sum())(jnp.asarray(distance))
    assert_allclose(gradient, jax.grad(written_out)(jnp.asarray(distance)), atol=1e-5)
    assert np.abs(gradient).max() > 0.01
