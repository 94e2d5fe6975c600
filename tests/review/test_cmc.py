"""The curve and its sentences say how many candidates must be looked at, and claim no more than the photos tell."""

import numpy as np
import pytest

from whale_jax.evaluation.reliability import Reliability
from whale_jax.review import cmc


def trust(rank):
    """The reliability of a run with these ranks of the true whales."""
    return Reliability(np.linspace(0, 1, len(rank)), np.array(rank))


RANKS = [*[1] * 272, *[4] * 48, *[7] * 20, *[300] * 60]  # 68 % first, 80 % among five, 85 % among ten


@pytest.mark.parametrize(
    ("shown", "came", "absent"),
    [
        (1, "was among the first five for 80 %", "not the one shown is new, or one of the 32 % that are missed."),
        (
            5,
            "was among the first five for 80 %",
            "not among the five shown is new, or one of the 20 % that are missed.",
        ),
        (10, "was among the first ten for 85 %", "not among the ten shown is new, or one of the 15 % that are missed."),
        (30, "was among the first 30 for 85 %", "not among the 30 shown is new, or one of the 15 % that are missed."),
        (3, "was among the first three for 68 %, and", "not among the three shown is new, or one of the 32 % that"),
    ],
)
def test_sentences_give_the_shares_of_the_candidates_shown(shown, came, absent):
    first, second = cmc.curve(trust(RANKS), shown, whales=447).sentences
    assert first.startswith("On 400 validation photos of known whales, the right whale came first for 68 %, ")
    assert came in first
    assert second.startswith(f"A whale that is {absent}")


def test_the_curve_is_the_share_among_the_first_k():
    curve = cmc.curve(trust(RANKS), 5, whales=447)
    assert len(curve.shares) == 20
    assert curve.shares[:4] == [0.68, 0.68, 0.68, 0.8]
    assert curve.marks == {"1": "68 %", "2": "68 %", "3": "68 %", "5": "80 %", "10": "85 %", "20": "85 %"}


def test_a_share_that_is_not_all_is_not_called_so():
    curve = cmc.curve(trust([*[1] * 999, 300]), 5, whales=447)
    assert curve.marks["5"] == "more than 99 %"
    assert curve.sentences[1].endswith("is new, or one of the few that are missed, less than 1 %.")
    complete = cmc.curve(trust([1] * 999), 5, whales=447)
    assert complete.marks["5"] == "100 %"
    assert complete.sentences[1].endswith("is new, as far as these photos can tell: none was missed.")
    assert cmc.percent(0.001) == "less than 1 %"
    assert cmc.percent(0) == "0 %"


def test_who_sees_all_whales_misses_none():
    curve = cmc.curve(trust([*[1] * 200, *[2] * 100, *[4] * 100]), 4, whales=4)
    assert curve.shares == [0.5, 0.75, 0.75]
    assert curve.sentences == [
        "On 400 validation photos of known whales, the right whale came first for 50 %.",
        "Every photo is shown with all whales that the run knows: a whale that is none of them is new.",
    ]


def test_few_photos_are_said_to_be_few():
    few = cmc.curve(trust([1] * 60 + [9] * 40), 5, whales=447)
    assert few.sentences[-1].endswith("the first share could as well be anything from 50 to 69 %.")  # Wilson's interval
    assert len(cmc.curve(trust([1] * 200), 5, whales=447).sentences) == 2


@pytest.mark.parametrize(
    ("photos", "shown", "whales"), [(19, 5, 447), (400, 0, 447), (400, 1, 1)], ids=["few", "no answer", "one whale"]
)
def test_there_is_no_curve_where_it_would_say_nothing(photos, shown, whales):
    assert cmc.curve(trust([1] * photos), shown, whales=whales) is None
    assert cmc.curve(None, 5, whales=447) is None
