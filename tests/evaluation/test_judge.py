"""Whether a photo shows a whale that a run knows, judged by photos of known whales alone."""

import numpy as np
import pytest
from scipy import special

from whale_jax.evaluation import judge, reliability

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


def test_a_photo_without_its_whale_is_the_likelier_to_be_of_none(answers):
    p, label = answers
    judged = judge.fit(p[:300], label[:300], error=0.05, prior=0.1)
    unknown = p[300:].copy()
    unknown[np.arange(300), label[300:]] = 0
    unknown /= unknown.sum(1, keepdims=True)
    assert judged.verdicts(unknown)[0].mean() > judged.verdicts(p[300:])[0].mean()


def test_sure_answers_are_right_as_often_as_their_probability_says(answers):
    trust = reliability.measure(*answers)
    for probability in np.quantile(trust.probability, (0.2, 0.5, 0.8)):
        count, right = reliability.as_sure(trust, probability)
        assert count == 100
        assert right / count == pytest.approx(probability, abs=0.15)


def test_the_answers_as_sure_are_those_around_a_probability(answers):
    p, label = answers
    trust = reliability.measure(p, label)
    order = np.argsort(p.max(1))
    right = (p.argmax(1) == label)[order]
    for probability, rows in {0.0: slice(0, 100), 1.0: slice(500, 600), p.max(1)[order[300]]: slice(250, 350)}.items():
        assert reliability.as_sure(trust, probability) == (100, right[rows].sum())


def test_words_name_what_was_counted():
    assert reliability.words(100, 83) == "Of 100 answers about as sure as this one, 83 were right on validation."
    assert reliability.words(57, 1) == "Of 57 answers about as sure as this one, 1 was right on validation."
    assert reliability.words(19, 19) == ""


def test_the_share_among_the_first_k_is_that_of_the_ranks(answers):
    p, label = answers
    curve = reliability.cmc(reliability.measure(p, label), most=WHALES)
    ranks = [(row > row[whale]).sum() + 1 for row, whale in zip(p, label, strict=True)]
    assert curve == pytest.approx([np.mean(np.array(ranks) <= k) for k in range(1, WHALES + 1)])
    assert curve[-1] == 1
