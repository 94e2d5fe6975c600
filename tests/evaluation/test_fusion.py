"""Fusion of members' scores: it finds what is worth what, and survives members that say nothing."""

import numpy as np
import pytest
from scipy import optimize, special

from whale_jax.evaluation import calibration, fusion
from whale_jax.evaluation.probabilities import score

WHALES, PHOTOS = 12, 400
PRIOR = np.full(WHALES, 1 / WHALES)


@pytest.fixture
def planted():
    """Scores of a good member, a fair one in another unit and a useless one, and the whales of the photos."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, WHALES, PHOTOS)
    truth = np.eye(WHALES)[label]
    noise = rng.normal(0, 1, (3, PHOTOS, WHALES))
    good, fair, useless = 3.0 * truth + noise[0], 0.01 * (2.5 * truth + noise[1]), noise[2]
    return np.stack([good, fair, useless], axis=1), label


def test_the_weights_are_those_that_made_the_scores(planted):
    """Of Gaussian scores with unit noise, the posterior is the softmax of the sum of distance x score."""
    scores, label = planted
    weight = fusion.fit_weights(scores, label, prior=PRIOR).weight
    np.testing.assert_allclose(weight * [1, 0.01, 1], [3, 2.5, 0], atol=0.5)
    assert weight.min() >= 0
    silent = np.concatenate([scores, np.full((PHOTOS, 1, WHALES), 0.5)], axis=1)
    assert fusion.fit_weights(silent, label, prior=PRIOR).weight[3] == 0


def test_the_weights_are_of_least_log_loss(planted):
    """Of targets that leave one photo of PHOTOS + 2 to the prior."""
    scores, label = planted
    target = (1 - 1 / (PHOTOS + 2)) * np.eye(len(PRIOR))[label] + PRIOR / (PHOTOS + 2)

    def loss(weight):
        logits = np.einsum("m,nmw->nw", weight * [1, 100, 1], scores)
        return -(target * special.log_softmax(logits, axis=1)).sum(1).mean()

    slow = optimize.minimize(loss, np.ones(3), bounds=[(0, None)] * 3, method="Nelder-Mead", options={"fatol": 1e-9})
    np.testing.assert_allclose(
        loss(fusion.fit_weights(scores, label, prior=PRIOR).weight / [1, 100, 1]), slow.fun, atol=1e-5
    )


def test_whales_of_many_photos_are_likelier_before_any_is_seen(planted):
    """Where the scores hold nothing against a whale, as many are of it as in training."""
    scores, label = planted
    prior = np.arange(1, WHALES + 1) / np.arange(1, WHALES + 1).sum()
    rng = np.random.default_rng(1)
    label = rng.choice(WHALES, PHOTOS, p=prior)
    scores = (0.5 * np.eye(WHALES)[label] + rng.normal(0, 1, (PHOTOS, WHALES)))[:, None]
    fitted = fusion.fit_weights(scores, label, prior=prior)
    np.testing.assert_allclose(special.softmax(fitted.bias), prior, atol=0.05)
    assert fitted.bias.mean() == pytest.approx(0)


@pytest.mark.parametrize("name", fusion.METHODS)
def test_every_way_beats_its_best_member_on_other_photos(planted, name):
    scores, label = planted
    fit, new = np.arange(PHOTOS) < 250, np.arange(PHOTOS) >= 250
    fused, alone = (
        fusion.calibrated(method)(side[fit], label[fit], prior=PRIOR)(side[new])
        for method, side in ((fusion.METHODS[name], scores[:, :2]), (fusion.fit_weights, scores[:, :1]))
    )
    np.testing.assert_allclose(fused.sum(1), 1)
    assert score(fused, label[new])["log_loss"] < score(alone, label[new])["log_loss"]


@pytest.mark.parametrize("name", fusion.METHODS)
def test_a_member_without_a_picture_leaves_the_answer_to_the_others(planted, name):
    scores, label = planted
    missing = scores.copy()
    missing[::2, 0] = np.nan
    missing[7] = np.nan
    p = fusion.METHODS[name](missing, label, prior=PRIOR)(missing)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p[7], 1 / WHALES, rtol=1e-6)
    rows = np.arange(2, PHOTOS, 2)
    assert score(p[rows], label[rows])["top1"] > 1.5 / WHALES  # by the fair member alone


@pytest.mark.parametrize("name", fusion.METHODS)
def test_a_member_that_scores_no_photo_at_all_has_no_say(planted, name):
    scores, label = planted
    expected = fusion.METHODS[name](scores, label, prior=PRIOR)(scores)
    absent = np.full((PHOTOS, 1, WHALES), np.nan)
    with_absent = np.concatenate([scores, absent], axis=1)
    answer = fusion.METHODS[name](with_absent, label, prior=PRIOR)
    np.testing.assert_allclose(answer(with_absent), expected, atol=2e-3)
    late = np.concatenate([scores, np.ones((PHOTOS, 1, WHALES))], axis=1)  # it scores photos that come later
    np.testing.assert_allclose(answer(late), expected, atol=2e-3)


def test_no_photo_has_a_say_in_its_own_answer(planted):
    """A label that is changed changes the answers of other groups, and not those of its own."""
    scores, label = planted
    group, changed = np.arange(PHOTOS) // 2, label.copy()
    changed[:2] = (label[:2] + 1) % WHALES
    facts = {"prior": PRIOR, "group": group, "num_subfolds": 5}
    method = fusion.calibrated(fusion.fit_weights)
    first, second = (calibration.cross_fit(method, scores, label=side, **facts) for side in (label, changed))
    inside = group % 5 == 0
    np.testing.assert_array_equal(first[inside], second[inside])
    assert np.abs(first[~inside] - second[~inside]).max() > 1e-6


@pytest.mark.parametrize("name", fusion.METHODS)
def test_no_whale_is_impossible_however_far_behind_it_is(planted, name):
    """A photo whose likeliest whale is right, and the others by far more than any photo that was learned from."""
    scores, label = planted
    answer = fusion.METHODS[name](scores, label, prior=PRIOR)
    far = 60 * np.broadcast_to(np.eye(WHALES)[[3]], (1, 3, WHALES)) * [[[1], [0.01], [1]]]
    with np.errstate(all="raise"):
        p = answer(far)
    assert p.argmax() == 3
    assert p.min() > 0


def test_an_unknown_whale_is_answered_as_by_a_catalogue_without_its_whale(planted):
    scores, label = planted
    answer = fusion.calibrated(fusion.fit_weights)(scores, label, prior=PRIOR)
    p_unknown = answer.without_whale(scores, label)
    weights, prior = answer.answer, np.full(WHALES - 1, 1 / (WHALES - 1))
    for whale in range(WHALES):
        smaller = weights._replace(bias=np.delete(weights.bias, whale))
        catalogue = fusion.Calibrated(smaller, answer.calibration._replace(prior=prior))
        photos = scores[label == whale]
        np.testing.assert_allclose(p_unknown[label == whale], catalogue(np.delete(photos, whale, axis=2)), rtol=1e-6)


def test_the_odds_of_other_whales_do_not_tell_how_sure_a_photo_was(planted):
    scores, label = planted
    answer = fusion.calibrated(fusion.fit_weights)(scores, label, prior=PRIOR)
    surer = scores + 40 * np.eye(WHALES)[label][:, None] * scores.std((0, 2))[:, None]
    np.testing.assert_allclose(answer.without_whale(surer, label), answer.without_whale(scores, label), rtol=1e-6)


def test_a_few_photos_that_are_all_named_right_do_not_make_certain():
    label = np.arange(10) % 5
    scores = 8 * np.eye(5)[label][:, None] + np.random.default_rng(0).normal(size=(10, 1, 5))
    answer = fusion.calibrated(fusion.fit_weights)(scores, label, prior=np.full(5, 0.2))
    p = answer(scores)
    assert (p.argmax(1) == label).all()
    assert 0.8 < p.max() < 1 - 0.5 / 12  # after ten right answers, the next is wrong with a chance of one in twelve
