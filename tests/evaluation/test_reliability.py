"""What is said of an answer is what came of the validation answers nearest to it."""

import re

import numpy as np
import pytest
from scipy.stats import rankdata

from whale_jax.evaluation import metrics, reliability
from whale_jax.evaluation.reliability import Reliability


def neighbours(values, value, count):
    """Rows of the `count` values nearest to one in rank: half on each side, or more where the other side ends."""
    order = sorted(range(len(values)), key=lambda row: values[row])
    middle = sum(v < value for v in values) + sum(v == value for v in values) / 2
    windows = [order[start : start + count] for start in range(len(values) - count + 1)]
    return min(enumerate(windows), key=lambda pair: (abs(pair[0] + count / 2 - middle), pair[0]))[1]


def numbers(sentence):
    return tuple(map(int, re.findall(r"\d+", sentence)))


def random_case(count, seed=0, decimals=2):
    rng = np.random.default_rng(seed)
    return Reliability(rng.random(count).round(decimals), rng.integers(1, 4, count))


@pytest.mark.parametrize("count", [101, 120, 300, 1001])
def test_words_count_the_nearest_by_rank(count):
    case = random_case(count)
    for value in [0, 0.005, 0.1, *case.probability[:20], 0.5, 0.995, 1]:
        rows = neighbours(case.probability, value, 100)
        right = sum(case.rank[row] == 1 for row in rows)
        assert numbers(reliability.words(case, value)) == (100, right)


def test_a_calibrated_run_is_right_as_often_as_it_says():
    rng = np.random.default_rng(1)
    probability = rng.random(20_000)
    case = Reliability(probability, np.where(rng.random(20_000) < probability, 1, 2))
    for value in (0.02, 0.3, 0.5, 0.83, 0.98):
        assert numbers(reliability.words(case, value))[1] == pytest.approx(100 * value, abs=15)  # three deviations


def test_the_order_of_photos_and_a_rising_change_of_all_probabilities_do_not_matter():
    case = random_case(400, decimals=9)
    order = np.random.default_rng(2).permutation(400)
    changed = Reliability(case.probability[order] ** 3, case.rank[order])
    for value in np.linspace(0, 1, 21):
        assert reliability.words(changed, value**3) == reliability.words(case, value)


def test_few_photos_are_all_counted_and_fewer_say_nothing():
    rank = np.array([1] * 40 + [2] * 17)
    case = Reliability(np.linspace(0, 1, 57), rank)
    sentences = {reliability.words(case, value) for value in (0, 0.5, 1)}
    assert sentences == {"Of 57 photos of known whales, sure and unsure together, the run was right on 40."}
    assert reliability.words(Reliability(*(column[:20] for column in case)), 0.5)
    assert not reliability.words(Reliability(*(column[:19] for column in case)), 0.5)
    assert not reliability.words(case, np.nan)


def test_those_named_right_are_counted():
    for right in range(3):
        case = Reliability(np.linspace(0, 1, 200), np.where(np.arange(200) < right, 1, 5))
        assert f"right on {right} of them" in reliability.words(case, 0)


def test_ranks_agree_with_scipy_and_top_k():
    rng = np.random.default_rng(3)
    logits, label = rng.integers(0, 6, (200, 9)).astype(float), rng.integers(0, 9, 200)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    case = reliability.measure(p, label)
    assert case.rank.tolist() == rankdata(-p, method="max", axis=1)[np.arange(200), label].tolist()
    assert case.probability.tolist() == p.max(1).tolist()
    curve = reliability.cmc(case, most=9)
    assert curve[0] == pytest.approx(float(metrics.top_k(logits, label, k=1).mean()))
    assert curve[4] == pytest.approx(float(metrics.top_k(logits, label, k=5).mean()))
    assert curve == sorted(curve)
    assert (len(curve), curve[-1], len(reliability.cmc(case))) == (9, 1, 20)
