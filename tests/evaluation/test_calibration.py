import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from whale_jax.evaluation import calibration

COUNT, WHALES = 4000, 6
PRIOR = np.array([0.4, 0.2, 0.15, 0.1, 0.1, 0.05])


def drawn(seed=0):
    """True probabilities, and labels drawn by them."""
    rng = np.random.default_rng(seed)
    p = special.softmax(1.5 * rng.normal(size=(COUNT, WHALES)), axis=1)
    return p, np.array([rng.choice(WHALES, p=row) for row in p])


def log_loss(p, label):
    return -np.log(p[np.arange(len(label)), label]).mean()


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_over_and_underconfidence_are_undone(temperature):
    p, label = drawn()
    wrong = special.softmax(np.log(p) / temperature, axis=1)
    fitted = calibration.fit(wrong, label, prior=PRIOR)
    assert fitted.temperature == pytest.approx(1 / temperature, rel=0.1)
    assert log_loss(fitted(wrong), label) == pytest.approx(log_loss(p, label), abs=0.01)
    assert calibration.expected_error(fitted(wrong), label) < 0.03 < calibration.expected_error(wrong, label)


def test_who_knows_nothing_is_given_the_prior():
    rng = np.random.default_rng(0)
    label = rng.choice(WHALES, size=COUNT, p=PRIOR)
    noise = special.softmax(4 * rng.normal(size=(COUNT, WHALES)), axis=1)
    fitted = calibration.fit(noise, label, prior=PRIOR)
    assert log_loss(fitted(noise), label) == pytest.approx(log_loss(np.tile(PRIOR, (COUNT, 1)), label), abs=0.01)


def test_rows_go_on_summing_to_one():
    p = drawn()[0]
    assert_allclose(calibration.Calibration(2.0, 0.3, PRIOR)(p[:9]).sum(1), 1)
    assert_allclose(calibration.Calibration(1.0, 0.0, PRIOR)(p[:9]), p[:9])


def test_bins_hold_equally_many_photos_and_their_mean_is_the_accuracy():
    p, label = drawn()
    confidence, accuracy, share = calibration.reliability(p, label)
    assert len(share) == 15
    assert np.ptp(share * len(label)) < 1.5  # photos
    assert_allclose(accuracy @ share, (p.argmax(1) == label).mean())
    assert_allclose(confidence @ share, p.max(1).mean())
    assert (np.diff(confidence) > 0).all()
    assert abs(accuracy - confidence).max() < 0.1  # they were drawn so
    assert calibration.expected_error(np.eye(WHALES)[label], (label + 1) % WHALES) == 1


def test_dirichlets_matrix_undoes_a_confusion_that_no_temperature_can():
    """Two whales whose names the network has exchanged; a heavy penalty leaves the temperature alone."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, 800)
    p = rng.dirichlet(np.ones(4) / 2, 800) * 0.3 + 0.7 * np.eye(4)[np.array([1, 0, 2, 3])[label]]
    prior = np.full(4, 0.25)
    new, plain = calibration.fit_dirichlet(p, label, prior=prior, penalty=1e-3), calibration.fit(p, label, prior=prior)
    stiff = calibration.fit_dirichlet(p, label, prior=prior, penalty=1e6)
    assert (new(p).argmax(1) == label).mean() > 0.95
    assert (plain(p).argmax(1) == label).mean() < 0.6
    np.testing.assert_allclose(new(p).sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(stiff(p), plain(p), atol=1e-4)


def test_no_photo_is_calibrated_by_what_its_own_group_is():
    p, label = (column[:300] for column in drawn())
    group = np.arange(300) // 3
    calibrated = calibration.cross_fit(calibration.fit, p, label=label, prior=PRIOR, group=group, num_subfolds=4)
    fold = group % 4 == 1
    other = np.where(fold, (label + 1) % WHALES, label)
    changed = calibration.cross_fit(calibration.fit, p, label=other, prior=PRIOR, group=group, num_subfolds=4)
    np.testing.assert_array_equal(changed[fold], calibrated[fold])
    assert (changed[~fold] != calibrated[~fold]).any(1).all()
    np.testing.assert_allclose(calibrated[fold], calibration.fit(p[~fold], label[~fold], prior=PRIOR)(p[fold]))


def test_a_blend_finds_what_each_of_two_answers_is_worth():
    rng = np.random.default_rng(0)
    log_p, score = rng.normal(size=(2, COUNT, WHALES))
    true = special.softmax(0.5 * log_p + 3 * score, axis=1)
    label = np.array([rng.choice(WHALES, p=row) for row in true])
    inputs = np.concatenate([special.softmax(log_p, axis=1), score], axis=1)
    blend = calibration.fit_blend(inputs, label, prior=PRIOR)
    assert blend.power == pytest.approx(0.5, abs=0.1)
    assert blend.sharpness == pytest.approx(3, abs=0.3)
    assert log_loss(blend(inputs), label) == pytest.approx(log_loss(true, label), abs=0.01)
    group = np.arange(COUNT)
    unseen = calibration.cross_fit(calibration.fit_blend, inputs, label=label, prior=PRIOR, group=group)
    assert unseen.shape == (COUNT, WHALES)
    assert log_loss(blend(inputs), label) < log_loss(unseen, label) < log_loss(blend(inputs), label) + 0.01
