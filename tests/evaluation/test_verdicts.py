"""Answers of several members are added in one unit, and those of an encounter before the best whale is taken."""

import numpy as np
from numpy.testing import assert_allclose

from whale_jax.evaluation import novelty, verdicts
from whale_jax.evaluation.verdicts import Judged

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(size=(2, 6, 4))
JUDGED = Judged(np.arange(6), np.array([1, 1, 1, 0, 0], bool), np.array([0, 0, 2, 7, 7]), np.array([0, 0, 1, 0, 0]))


def test_members_have_one_say_each_whatever_their_units():
    shift = 100 * RNG.normal(size=(6, 1))  # of no meaning among logits
    answers = {("a", "logits"): FIRST + shift, ("b", "probabilities"): SECOND, ("c", "cohort"): FIRST}
    joint = verdicts.together(answers)
    assert joint.keys() - answers.keys() == {("together", "probabilities")}  # there is one cohort
    p, q = (np.exp(side) / np.exp(side).sum(1, keepdims=True) for side in (FIRST, SECOND))
    expected = np.sqrt(p * q)
    expected /= expected.sum(1, keepdims=True)
    assert_allclose(novelty.probability(joint["together", "probabilities"]), expected.max(1))
    joint = verdicts.together({("a", "cohort"): FIRST, ("b", "cohort"): SECOND, ("c", "cosine"): SECOND})
    assert_allclose(joint["together", "cohort"], (FIRST + SECOND) / 2)


def test_an_encounter_takes_the_place_of_its_photos():
    encounter = np.array([3, 3, -1, 5, 5])
    means, pooled = verdicts.pool({("a", "logits"): FIRST}, JUDGED, encounter=encounter)
    assert_allclose(means["a", "logits"], [FIRST[:2].mean(0), FIRST[3:5].mean(0)])  # not the photo without a name
    assert (pooled.rows.tolist(), pooled.whale.tolist(), pooled.enrolled.tolist()) == ([0, 3], [0, 7], [True, False])


def test_a_side_in_one_subfold_cannot_be_measured():
    assert not verdicts.measurable(JUDGED)
    assert verdicts.measurable(JUDGED._replace(subfold=np.array([0, 0, 1, 0, 1])))
