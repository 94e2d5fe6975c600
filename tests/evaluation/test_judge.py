"""Whether a photo shows a whale that a run knows, judged by photos of known whales alone."""

import numpy as np
import pytest
from scipy import special

from whale_jax.evaluation import judge

WHALES = 20


@pytest.fixture(scope="module")
def answers():
    """(600, 20) probabilities of a network that is right as often as it says, and the true whales."""
    rng = np.random.default_rng(0)
    p = special.softmax(rng.normal(0, 2.5, (600, WHALES)), axis=1)
    return p, np.array([rng.choice(WHALES, p=row) for row in p])


def test_no_more_known_photos_are_called_new_than_the_error_says(answers):
    p, label = answers
    for error in (0.05, 0.2):
        judged = judge.fit(p[:300], label[:300], error=error, prior=0.1)
        assert judged.verdicts(p[:300])[1].mean() <= error
        assert judged.verdicts(p[300:])[1].mean() == pytest.approx(error, abs=0.04)


def test_answers_that_are_all_as_sure_are_not_all_called_new():
    p = np.eye(4)[np.arange(80) % 4]
    p[:2] = 0.25
    judged = judge.fit(p, np.arange(80) % 4, error=0.05, prior=0.1)
    assert judged.verdicts(p)[1].tolist() == [True] * 2 + [False] * 78


def test_a_photo_without_its_whale_is_the_likelier_to_be_of_none(answers):
    p, label = answers
    judged = judge.fit(p[:300], label[:300], error=0.05, prior=0.1)
    unknown = p[300:].copy()
    unknown[np.arange(300), label[300:]] = 0
    unknown /= unknown.sum(1, keepdims=True)
    assert judged.verdicts(unknown)[0].mean() > judged.verdicts(p[300:])[0].mean()
