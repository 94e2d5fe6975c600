"""Classification: scores as scikit-learn's, labels smoothed, and given as probabilities."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special
from sklearn import metrics as reference

from tests.tasks.batches import COUNT, SIZE, TURNED, make_batch, prepare
from whale_jax import losses
from whale_jax.tasks.classify import classify


def test_classification_is_scored_as_scikit_learn_does():
    task, batch = classify(size=SIZE, classes=4), make_batch(TURNED)
    batch["label"][:] = [0, 1, 2, 3, -1, 1]
    batch["mask"][5] = 0
    ready = prepare(task, batch, False)
    logits = np.random.default_rng(1).normal(0, 2, (COUNT, 4)).astype(np.float32)
    features = np.ones((COUNT, 7), np.float32)
    metrics = {
        name: float(s) / float(n) for name, (s, n) in task.metrics((logits, {"features": features}), ready).items()
    }
    p = special.softmax(logits[:4].astype(np.float64), axis=1)
    assert_allclose(metrics["log_loss"], reference.log_loss(range(4), p), rtol=1e-5)
    assert_allclose(metrics["log_loss_unclipped"], metrics["log_loss"], rtol=1e-6)
    assert_allclose(metrics["top1"], reference.accuracy_score(range(4), p.argmax(1)))
    assert metrics["top5"] == 1
    predicted = task.predict((logits, {"features": features}), ready)
    assert_array_equal(predicted["logits"], logits)
    assert_array_equal(predicted["features"], features)


def test_label_smoothing_reaches_the_loss():
    plain, smooth = (classify(size=SIZE, classes=4, smoothing=s) for s in (0.0, 0.2))
    ready = prepare(plain, make_batch(TURNED), False)
    y = jax.random.normal(jax.random.key(1), (COUNT, 4))
    assert_allclose(plain.loss((y, {}), ready), losses.cross_entropy(y, ready["label"]))
    assert_allclose(smooth.loss((y, {}), ready), losses.cross_entropy(y, ready["label"], smoothing=0.2))


def test_a_target_for_each_whale_is_learned_in_place_of_the_label():
    task, batch = classify(size=SIZE, classes=4, smoothing=0.1), make_batch(TURNED)
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(COUNT, 4)))
    hard = task.loss((logits, {}), batch)
    assert_allclose(task.loss((logits, {}), {**batch, "target": np.eye(4)[batch["label"]]}), hard, rtol=1e-5)
    half = {**batch, "target": np.eye(4)[batch["label"]] / 2 + np.eye(4)[0] / 2}
    to_first = task.loss((logits, {}), {**batch, "label": np.zeros(COUNT, int)})
    assert_allclose(task.loss((logits, {}), half), (hard + to_first) / 2, rtol=1e-5)
