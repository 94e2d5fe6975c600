"""ArcFace: the margin is where it should be, and less for whales with many photos."""

import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose
from scipy import special

from tests.tasks.batches import COUNT, SIZE
from whale_jax import losses
from whale_jax.tasks import arcface


def cosines(count=4):
    angle = np.random.default_rng(3).uniform(0.1, 3.0, (COUNT, count)).astype(np.float32)
    return np.cos(angle), angle


def test_arcface_adds_its_margin_to_the_true_whales_angle():
    cosine, angle = cosines()
    label = np.arange(COUNT) % 4
    batch = {"label": label, "photos": np.full(COUNT, 7.0)}
    task = arcface.arcface(size=SIZE, classes=4, scale=9.0, margin=0.14)
    angle[np.arange(COUNT), label] += 0.14
    assert (angle.max(1) < np.pi).all()
    expected = -special.log_softmax(9 * np.cos(angle), axis=1)[np.arange(COUNT), label]
    assert_allclose(task.loss((cosine, {}), batch), expected, rtol=1e-4)
    plain = arcface.arcface(size=SIZE, classes=4, scale=9.0, margin=0.0)
    assert_allclose(plain.loss((cosine, {}), batch), losses.cross_entropy(9 * cosine, label), rtol=1e-4)


def test_arcface_falls_on_past_half_a_turn():
    cosine = jnp.cos(jnp.linspace(0.01, 3.13, 200))
    assert (jnp.diff(arcface.farther(cosine, jnp.float32(0.5))) < 0).all()


def test_arcface_asks_more_of_rare_whales_and_takes_the_nearest_center():
    cosine, label = cosines(8)[0], np.arange(COUNT) % 4
    nearest = {"label": label, "photos": np.ones(COUNT)}
    task = arcface.arcface(size=SIZE, classes=4, margin=0.3, rarity=0.25, centers=2)
    single = arcface.arcface(size=SIZE, classes=4, margin=0.3)
    best = cosine.reshape(COUNT, 4, 2).max(-1)
    assert_allclose(task.loss((cosine, {}), nearest), single.loss((best, {}), nearest), rtol=1e-5)
    sixteenth = arcface.arcface(size=SIZE, classes=4, margin=0.15)
    sixteen = {"label": label, "photos": np.full(COUNT, 16.0)}  # 16^-0.25 is a half
    assert_allclose(task.loss((cosine, {}), sixteen), sixteenth.loss((best, {}), sixteen), rtol=1e-5)


def test_the_margin_of_a_whale_with_many_photos_is_the_least_and_labels_may_be_smooth():
    cosine, label = cosines()[0], np.arange(COUNT) % 4
    batch = {"label": label, "photos": np.array([1, 2, 3, 5, 8, 1e9], np.float32)}
    happywhale = {"scale": 20.9, "margin": 0.271, "rarity": 0.364, "least_margin": 0.05}
    loss = arcface.arcface(size=SIZE, classes=4, smoothing=0.1, **happywhale).loss((cosine, {}), batch)
    for row, photos in enumerate(batch["photos"]):
        fixed = arcface.arcface(size=SIZE, classes=4, scale=20.9, margin=0.05 + 0.271 * photos**-0.364)
        moved = arcface.with_margin(jnp.asarray(cosine), label, margin=0.05 + 0.271 * photos**-0.364)
        plain = fixed.loss((cosine, {}), batch)[row]
        assert_allclose(loss[row], 0.9 * plain - 0.1 * special.log_softmax(20.9 * moved[row]).mean(), rtol=1e-4)
