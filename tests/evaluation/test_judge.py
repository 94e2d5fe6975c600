"""Whether a photo shows a whale that a run knows, judged by photos of known whales alone."""

import numpy as np
import pytest
from scipy import special

from whale_jax.evaluation import calibration, fusion, judge

WHALES = 20


@pytest.fixture(scope="module")
def answers():
    """(600, 20) probabilities of a network that is right as often as it says, and (600, 19) without the true whales."""
    rng = np.random.default_rng(0)
    p = special.softmax(rng.normal(0, 2.5, (600, WHALES)), axis=1)
    label = np.array([rng.choice(WHALES, p=row) for row in p])
    rest = p[np.arange(WHALES) != label[:, None]].reshape(600, -1)
    return p, rest / rest.sum(1, keepdims=True)


def test_no_more_known_photos_are_called_new_than_the_error_says(answers):
    p, p_unknown = answers
    for error in (0.05, 0.2):
        judged = judge.fit(p[:300], p_unknown[:300], error=error, prior=0.1)
        assert judged.verdicts(p[:300])[1].mean() <= error
        assert judged.verdicts(p[300:])[1].mean() == pytest.approx(error, abs=0.04)


def test_answers_that_are_all_as_sure_are_not_all_called_new():
    p = np.eye(4)[np.arange(80) % 4]
    p[:2] = 0.25
    judged = judge.fit(p, np.full((80, 3), 1 / 3), error=0.05, prior=0.1)
    assert judged.verdicts(p)[1].tolist() == [True] * 2 + [False] * 78


def test_a_photo_without_its_whale_is_the_likelier_to_be_of_none(answers):
    p, p_unknown = answers
    judged = judge.fit(p[:300], p_unknown[:300], error=0.05, prior=0.1)
    assert judged.verdicts(p_unknown[300:])[0].mean() > judged.verdicts(p[300:])[0].mean()


@pytest.mark.parametrize(("whales", "photos", "lead"), [(20, 200, 4), (40, 200, 6), (3, 40, 4), (24, 64, 6)])
def test_known_photos_are_not_new_where_hardly_any_is_named_wrong(whales, photos, lead):
    """Their answers are all as sure as answers can be, and some of those about unknown whales are, too."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, whales, (2, photos))
    scores = rng.normal(size=(2, photos, 2, whales))
    scores[np.arange(2)[:, None], np.arange(photos), :, label] += lead
    facts = {"label": label[0], "prior": np.full(whales, 1 / whales), "group": np.arange(photos)}
    method = fusion.calibrated(fusion.fit_weights)
    p = calibration.cross_fit(method, scores[0], **facts)
    p_unknown = calibration.cross_fit(method, scores[0], **facts, ask=fusion.Calibrated.without_whale)
    judged = judge.fit(p, p_unknown, error=0.05, prior=0.1)
    fresh = method(scores[0], label[0], prior=facts["prior"])(scores[1])
    assert judged.verdicts(fresh)[0].mean() < 0.1
