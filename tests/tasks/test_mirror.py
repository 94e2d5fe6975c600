"""Mirror images are whales of their own: in training by their label, in an answer by half of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.tasks.batches import COUNT, SIZE, STORED, TURNED, make_batch, prepare
from whale_jax import geometry
from whale_jax.evaluation import tta
from whale_jax.runtime.errors import InputError
from whale_jax.tasks import arcface, classify

WHALES = 4
PLAIN = {"size": SIZE, "classes": WHALES}
MIRRORED = {**PLAIN, "augmentation": "flip_ud", "mirrored": True}
TASKS = {"classify": classify.classify(**MIRRORED), "arcface": arcface.arcface(**MIRRORED, scale=1.0, centers=2)}
every_task = pytest.mark.parametrize("name", ["classify", pytest.param("arcface", marks=pytest.mark.slow)])


def network(task, images):
    """What a network of random weights returns, without batch statistics: the same of a picture wherever it is."""
    weights = np.random.default_rng(7).normal(size=(images[0].size, task.outputs + 3)).astype(np.float32)
    y = images.reshape(len(images), -1) @ weights / 100
    return y[:, : task.outputs], {"features": y[:, task.outputs :]}


def predict(task, batch):
    ready = prepare(task, batch, False)
    return task.predict(network(task, ready["image"]), ready)


def of_picture(task, batch):
    """Logits of whales and mirror images, and features, of each photo as it is."""
    images = prepare(task, batch, False)["image"].reshape(COUNT, 2, *SIZE, 3)[:, 0]
    y, out = network(task, images)
    return y.reshape(COUNT, 2 * WHALES, -1).max(-1), out["features"]


@every_task
def test_an_answer_is_the_mean_of_a_photo_and_of_its_mirror_image_as_its_mirror_whale(name):
    task, batch = TASKS[name], make_batch(TURNED)
    mirror = {**batch, "image": batch["image"][:, ::-1]}
    (y, features), (mirror_y, mirror_features) = (of_picture(task, b) for b in (batch, mirror))
    answer, mirror_answer = predict(task, batch), predict(task, mirror)
    assert_allclose(answer["logits"], (y[:, :WHALES] + mirror_y[:, WHALES:]) / 2, atol=2e-3)
    assert_allclose(mirror_answer["logits"], (mirror_y[:, :WHALES] + y[:, WHALES:]) / 2, atol=2e-3)
    assert_allclose(answer["features"], np.concatenate([features, mirror_features], axis=1), atol=2e-3)
    assert np.abs(answer["logits"] - mirror_answer["logits"]).max() > 0.1


@pytest.mark.slow
def test_a_warp_that_mirrors_a_photo_leaves_its_answer():
    task, batch = TASKS["classify"], make_batch(TURNED)
    plain = predict(task, batch)
    for matrix in tta.grid({"flip_ud": (0, 1)}, STORED, size=SIZE):
        warped = predict(task, {**batch, "warp": np.tile(matrix, (COUNT, 1, 1))})
        jax.tree.map(lambda a, b: assert_allclose(a, b, atol=2e-3), plain, warped)


@pytest.mark.slow
def test_photos_that_are_mirrored_in_training_have_the_label_of_the_mirror_whale():
    batch = {name: np.concatenate([value] * 20) for name, value in make_batch(TURNED).items()}
    batch["index"] = np.arange(20 * COUNT, dtype=np.int32)
    batch["label"][0] = -1
    target = batch["target"] = np.random.default_rng(0).dirichlet(np.ones(WHALES), 20 * COUNT).astype(np.float32)
    ready = prepare(TASKS["classify"], batch)
    plain = prepare(classify.classify(**PLAIN), batch)
    mirrored = np.asarray(ready["mirrored"])
    assert 0.35 < mirrored.mean() < 0.65
    images = np.where(mirrored[:, None, None, None], plain["image"][:, ::-1], plain["image"])
    assert_allclose(ready["image"], images, atol=1e-3)
    assert_array_equal(ready["label"], np.maximum(batch["label"], 0) + WHALES * mirrored)
    assert_array_equal(ready["weight"], plain["weight"])
    assert_array_equal(ready["target"][mirrored], np.hstack([np.zeros_like(target), target])[mirrored])
    assert_array_equal(ready["target"][~mirrored], np.hstack([target, np.zeros_like(target)])[~mirrored])
    assert_array_equal(prepare(TASKS["arcface"], batch)["label"], ready["label"])


@pytest.mark.slow
def test_a_turn_is_no_mirror_image_and_a_flip_to_the_left_is_one():
    turned = classify.classify(**{**MIRRORED, "augmentation": "flip_ud(p=1)|flip_lr(p=1)|rotate(180)"})
    assert not prepare(turned, make_batch(TURNED))["mirrored"].any()
    leftward = classify.classify(**{**MIRRORED, "augmentation": "flip_ud(p=0)|flip_lr(p=1)|rotate(180)"})
    assert prepare(leftward, make_batch(TURNED))["mirrored"].all()


@pytest.mark.slow
@every_task
def test_metrics_are_of_the_answer_and_count_each_photo_once(name):
    task, batch = TASKS[name], make_batch(TURNED)
    batch["mask"][4] = 0
    batch["label"][3] = -1
    ready = prepare(task, batch, False)
    metrics = task.metrics(network(task, ready["image"]), ready)
    log_p = jax.nn.log_softmax(predict(task, batch)["logits"])
    rows = np.array([0, 1, 2, 5])
    total, count = metrics["log_loss"]
    assert count == len(rows)
    assert_allclose(total, -log_p[rows, batch["label"][rows]].sum(), rtol=1e-4)


@pytest.mark.slow
def test_points_follow_a_reflected_picture():
    ready = prepare(TASKS["classify"], make_batch(TURNED), False)
    photo, reflection = (ready["matrix"].reshape(COUNT, 2, 3, 3)[:, i] for i in range(2))
    points = np.random.default_rng(1).uniform(0, 400, (COUNT, 5, 2)).astype(np.float32)
    expected = geometry.move_points(photo, points) * jnp.array([1, -1]) + jnp.array([0, SIZE[0] - 1])
    assert_allclose(geometry.move_points(reflection, points), expected, atol=1e-2)


@pytest.mark.parametrize("augmentation", ["", "flip_lr|rotate(10)"])
def test_an_augmentation_that_never_mirrors_is_refused(augmentation):
    with pytest.raises(InputError, match="add flip_ud, as in 'flip_ud"):
        classify.classify(**{**MIRRORED, "augmentation": augmentation})
