"""What is worth nothing is said to be."""

import math

import pytest
from scipy import stats

from whale_jax.evaluation import caveats


def test_answers_no_better_than_calling_every_whale_as_likely():
    assert caveats.of_names("network", 1.38, whales=4) == []
    [line] = caveats.of_names("network", 2.248, whales=4)
    assert line == "network: a log loss of 2.248, no better than 1.386 of all whales equally likely"
    assert caveats.of_names("network", math.nan, whales=4)
    [line] = caveats.of_names("network", 1.2, whales=4, prior=1.0)
    assert "only how often each whale was photographed (100% prior)" in line


def test_points_that_miss_the_head():
    assert caveats.of_points(0.1) == []
    assert caveats.of_points(0.56) == ["a median error of 0.56 head lengths: most crops will show sea"]


@pytest.mark.parametrize(("right", "photos"), [(0, 14), (6, 14), (14, 14), (30, 37)])
def test_the_interval_is_wilsons(right, photos):
    """Against its definition: the shares from which what was seen is less than 1.96 deviations away."""
    low, high = caveats.interval(right / photos, photos)
    z = stats.norm.ppf(0.975)
    for bound in {low, high} - {0.0, 1.0}:
        assert abs(right / photos - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / photos), abs=1e-9)
    assert low <= right / photos <= high
