"""Scores of "none of these" against plain NumPy, and what is made of several."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import jensenshannon
from sklearn import metrics as reference

from whale_jax.evaluation import novelty, open_set, retrieval

LOGITS = np.random.default_rng(0).normal(size=(20, 7)) * 3
P = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)


def test_scores_of_a_classifier():
    ordered = np.sort(P, axis=1)
    assert_allclose(novelty.probability(LOGITS), ordered[:, -1])
    assert_allclose(novelty.margin(LOGITS), ordered[:, -1] - ordered[:, -2])
    assert_allclose(novelty.energy(LOGITS), np.log(np.exp(LOGITS).sum(1)))


def test_energy_sees_what_probabilities_do_not():
    assert_allclose(novelty.probability(LOGITS + 5), novelty.probability(LOGITS))
    assert_allclose(novelty.energy(LOGITS + 5), novelty.energy(LOGITS) + 5)


def test_members_agree_as_far_as_their_distributions_do():
    other = np.roll(LOGITS, 1, axis=0)
    q = np.roll(P, 1, axis=0)
    assert_allclose(
        novelty.agreement(np.stack([LOGITS, other])), [-(jensenshannon(*pair) ** 2) for pair in zip(P, q, strict=True)]
    )
    assert_allclose(novelty.agreement(np.stack([LOGITS, LOGITS])), 0, atol=1e-12)


@pytest.mark.parametrize("size", [8, 200])  # of a cohort; 200 are more than there are
def test_a_cohort_takes_away_what_every_photo_has_in_common(size):
    """As the definition has it, photo by photo."""
    rng = np.random.default_rng(0)
    queries, gallery, label = rng.normal(size=(4, 6)), rng.normal(size=(30, 6)), np.arange(30) % 5
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (queries, gallery)]
    expected = np.full((4, 5), -np.inf)
    for i, query in enumerate(unit[0]):
        cohort = np.sort(unit[1] @ query)[::-1][novelty.FEW :][:size]
        for j, photo in enumerate(unit[1]):
            strangers = np.sort((unit[1] @ photo)[label != label[j]])[::-1][:size]
            sides = [(query @ photo - side.mean()) / side.std() for side in (cohort, strangers)]
            expected[i, label[j]] = max(expected[i, label[j]], np.mean(sides))
    assert_allclose(novelty.by_cohort(queries, gallery, label=label, whales=5, size=size), expected, rtol=1e-4)


def test_a_cohort_of_a_photo_has_no_deviation_to_divide_by():
    queries, gallery = np.random.default_rng(0).normal(size=(2, 2, 6))
    cosine = retrieval.unit(queries) @ retrieval.unit(gallery).T
    least = np.minimum(cosine[:, 0], cosine[:, 1])[:, None]  # the cohort of a query, without the most alike
    between = retrieval.unit(gallery).prod(0).sum()  # the cohort of either photo is the other
    expected = (cosine - between + cosine - least) / 2
    assert_allclose(novelty.by_cohort(queries, gallery, label=np.arange(2), whales=2), expected, rtol=1e-4)


def test_ranks_are_shares_of_known_photos():
    assert_allclose(novelty.ranks(np.array([0, 1, 1.5, 9]), np.array([3.0, 1, 2, 1])), [0, 0.25, 0.5, 1])


def drawn(count=400, whales=40):
    """Two scores, each of which tells something, and one of noise; the second half of the whales is unknown."""
    rng = np.random.default_rng(1)
    whale = np.arange(count) % whales
    enrolled = whale < whales // 2
    return (
        {name: rng.normal(size=count) + gain * enrolled for name, gain in (("a", 1), ("b", 1), ("c", 0))},
        enrolled,
        whale,
    )


def test_a_photo_is_judged_by_photos_of_other_whales():
    """A fit on its own whale's photos would learn each whale by heart."""
    scores, enrolled, whale = drawn()
    subfold = novelty.subfolds(whale, enrolled, count=4)
    assert all(len(np.unique(subfold[whale == i])) == 1 for i in range(40))
    assert [len(np.unique(whale[subfold == i])) for i in range(4)] == [10] * 4
    joint = novelty.join(scores, enrolled, subfold=subfold)
    for name, fit in novelty.JOINT.items():
        columns = np.stack(list(scores.values()), axis=1)
        inside = subfold == 2
        expected = fit(columns[~inside], enrolled[~inside])(columns[inside])
        assert_allclose(joint[name][inside], expected)


def test_several_scores_are_better_than_each():
    scores, enrolled, whale = drawn()
    scores |= novelty.join(scores, enrolled, subfold=novelty.subfolds(whale, enrolled, count=5))
    area = {name: open_set.auroc(score[enrolled], score[~enrolled]) for name, score in scores.items()}
    assert area["all: regression"] > max(area["a"], area["b"]) + 0.03
    assert area["all: mean rank"] > area["c"]


@pytest.mark.parametrize("unnamed", [0, 3])
def test_without_unknown_whales_there_is_no_regression(unnamed):
    scores, enrolled, whale = drawn()
    enrolled_scores = {name: score[enrolled] for name, score in scores.items()}
    count = enrolled.sum() - unnamed
    joint = novelty.join(enrolled_scores, np.ones(count, bool), subfold=whale[enrolled][:count] % 3)
    assert list(joint) == ["all: mean rank"]
    assert joint["all: mean rank"].shape == (enrolled.sum(),)


def test_a_threshold_has_the_best_balanced_accuracy_of_all():
    rng = np.random.default_rng(0)
    truth = rng.random(60) < 0.3
    score = rng.normal(size=60) + truth
    best = max(reference.balanced_accuracy_score(truth, score >= t) for t in [*score, np.inf])
    accuracy = reference.balanced_accuracy_score(truth, score >= novelty.balanced_threshold(score, truth))
    assert accuracy == pytest.approx(best)


def test_strangers_are_told_by_a_threshold_that_was_not_chosen_on_them():
    rng = np.random.default_rng(0)
    familiar, unknown = rng.normal(2, 1, 400), rng.normal(0, 1, 200)
    score = novelty.rejection(familiar, unknown, group=np.arange(400), unknown_group=np.arange(200))
    truth = np.arange(600) < 400
    assert score["unknown_auroc"] == pytest.approx(reference.roc_auc_score(truth, np.append(familiar, unknown)))
    assert score["unknown_balanced"] == pytest.approx(0.841, abs=0.03)  # of two normal curves two deviations apart
    alone = novelty.rejection(np.arange(40.0), np.arange(40.0), group=np.arange(40), unknown_group=np.arange(40))
    assert alone["unknown_balanced"] == pytest.approx(0.5, abs=0.05)  # what it would gain on its own photos is luck
