"""What networks see, and that what is not annotated weighs nothing, whatever the task."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage import transform

from tests.tasks.batches import COUNT, SIZE, STORED, TURNED, TURNING, answer, make_batch, prepare
from whale_jax import augment, geometry, tasks
from whale_jax.runtime import errors
from whale_jax.tasks import inputs
from whale_jax.tasks.bbox import bbox
from whale_jax.tasks.classify import classify
from whale_jax.tasks.embed import embed
from whale_jax.tasks.keypoints import keypoints
from whale_jax.tasks.simclr import simclr

UNANNOTATED = {
    "points": (keypoints(size=SIZE, augmentation=TURNING), "points", np.nan),
    "one coordinate": (keypoints(size=SIZE, bins=16), "points", np.array([[1, np.nan], [2, 3]])),
    "box by corners": (bbox(size=SIZE, augmentation=TURNING), "box", np.nan),
    "box by mask": (bbox(size=SIZE, augmentation=TURNING, move="mask"), "box", np.nan),
    "label": (classify(size=SIZE, classes=4, augmentation=TURNING), "label", -1),
}


def standardise(images):
    mean, deviation = inputs.exposure(images)
    return (images - mean) / deviation


@pytest.mark.parametrize("name", UNANNOTATED)
def test_photos_without_annotation_weigh_nothing_and_poison_nothing(name):
    task, column, value = UNANNOTATED[name]
    batch = make_batch(TURNED)
    batch[column][2] = value
    batch["mask"][4] = 0

    @jax.jit
    def learn(y):
        ready = task.prepare(jax.random.key(0), batch, True)
        loss = jnp.where(ready["weight"] > 0, task.loss((y, {}), ready), 0).sum()
        return loss, (ready["weight"], task.metrics((y, {}), ready))

    y = jax.random.normal(jax.random.key(1), (COUNT, task.outputs))
    (loss, (weight, metrics)), gradient = jax.value_and_grad(learn, has_aux=True)(y)
    assert_array_equal(weight, [1, 1, 0, 1, 0, 1])
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    assert_array_equal(np.abs(gradient).max(1) > 0, weight > 0)
    for total, count in metrics.values():
        assert np.isfinite(total)
        assert count == 4


def test_an_evaluation_sees_the_plain_resize():
    task, batch = classify(size=SIZE, classes=4, augmentation=f"{TURNING}|gamma(0.5,2)"), make_batch(TURNED)
    ready, again = (task.prepare(jax.random.key(seed), batch, False) for seed in (0, 1))
    assert_array_equal(ready["image"], again["image"])
    assert_allclose(ready["matrix"], geometry.compose(batch["view"], geometry.resize(STORED, SIZE)), rtol=1e-6)
    for ready_image, image in zip(ready["image"], batch["image"], strict=True):
        plain = transform.resize(image / 255, SIZE, order=1, mode="edge", anti_aliasing=False)
        assert_allclose(ready_image, (plain - plain.mean()) / plain.std(), atol=1e-3)


def test_a_given_matrix_takes_the_place_of_resize_and_augmentation():
    task, batch = keypoints(size=SIZE, augmentation=TURNING), make_batch(TURNED)
    matrix = geometry.about(geometry.rotation(np.array([0.3] * COUNT)), geometry.middle(STORED))
    ready = prepare(task, {**batch, "warp": matrix})
    assert_allclose(ready["matrix"], geometry.compose(batch["view"], matrix), rtol=1e-6)
    warped = geometry.warp(batch["image"][0], matrix[0], size=SIZE) / 255
    assert_allclose(ready["image"][0], standardise(warped[None])[0], atol=1e-4)
    assert_allclose(task.predict(answer(ready["target"]), ready)["points"], batch["points"], atol=0.05)


SPECS = {
    "rotate": "rotate(30)",
    "scale": "scale(0.8,1.25)",
    "translate": "translate(0.1)",
    "shear": "shear(10)",
    "flip_lr": "flip_lr(p=1)",
    "flip_ud": "flip_ud(p=1)",
    "brightness": "brightness(0.2)",
    "contrast": "contrast(0.8,1.25)",
    "gamma": "gamma(0.5,2)",
    "erase": "erase(0.3)",
}


@pytest.mark.slow
@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("name", sorted(augment.OPERATIONS.keys() - inputs.UNDONE))
def test_every_operation_of_a_spec_changes_what_the_network_sees(name, colour):
    batch = make_batch(TURNED)
    pair = [classify(size=SIZE, classes=4, colour=colour, augmentation=spec) for spec in (SPECS[name], "")]
    changed, plain = (prepare(task, batch)["image"] for task in pair)
    assert (np.abs(changed - plain).max((1, 2, 3)) > 0.05).mean() > 0.5


@pytest.mark.parametrize("name", inputs.UNDONE)
def test_an_operation_that_standardising_undoes_is_refused(name):
    [step] = augment.parse(SPECS[name]).photometric.operations
    keys, pixels = jax.random.split(jax.random.key(0), COUNT), jnp.asarray(make_batch(TURNED)["image"] / 255)
    changed = jax.vmap(lambda key, image: augment.OPERATIONS[name](key, image, *step.arguments))(keys, pixels)
    assert np.abs(changed - pixels).max() > 0.05
    assert_allclose(standardise(changed), standardise(pixels), atol=1e-3)
    for task in (partial(classify, classes=4), keypoints, bbox, embed, simclr):
        with pytest.raises(errors.InputError, match=f"{name!r} .*write gamma"):
            task(size=SIZE, augmentation=f"rotate(30)|{SPECS[name]}")


def test_every_picture_has_mean_zero_and_deviation_one():
    images = np.random.default_rng(0).uniform(0, 1, (3, 8, 8, 3)) * np.array([1, 0.1, 0])[:, None, None, None] + 0.4
    standardised = np.asarray(standardise(jnp.asarray(images)))
    assert_allclose(standardised.mean((1, 2, 3)), 0, atol=1e-3)
    assert_allclose(standardised.std((1, 2, 3)), [1, 1, 0], atol=1e-3)  # one colour all over stays finite


def test_without_colour_water_of_any_tint_looks_the_same():
    rng = np.random.default_rng(0)
    light, tint = rng.uniform(0.2, 1, (COUNT, *STORED, 1)), rng.uniform(40, 230, (COUNT, 1, 1, 3))
    batch = make_batch(TURNED) | {"image": np.rint(light * tint).astype(np.uint8)}
    same = batch | {"image": np.rint(light * tint.mean(-1, keepdims=True)).astype(np.uint8).repeat(3, -1)}
    task = classify(size=SIZE, classes=4, colour=False)
    tinted, grey = (np.asarray(prepare(task, b, False)["image"]) for b in (batch, same))
    assert_allclose(tinted, grey, atol=0.05)
    assert_allclose(tinted.std((1, 2, 3)), 1, atol=1e-3)
    coloured = prepare(classify(size=SIZE, classes=4), batch, False)["image"]
    assert not np.allclose(coloured, grey, atol=0.5)


NORMALISED = {
    "picture": lambda x: (x - x.mean()) / x.std(),
    "imagenet": lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
    "signed": lambda x: (x - 127) / 128,
}


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("name", sorted(inputs.NORMALISATIONS))
def test_pictures_are_normalised_as_the_network_wants(name, colour):
    task, batch = tasks.build({"name": "classify", "colour": colour}, size=SIZE, **normalised(name)), make_batch(TURNED)
    ready = task.prepare(jax.random.key(0), batch, False)
    for ready_image, image in zip(ready["image"], batch["image"], strict=True):
        plain = transform.resize(image.astype(float), SIZE, order=1, mode="edge", anti_aliasing=False)
        plain = plain if colour else np.broadcast_to(plain.mean(-1, keepdims=True), plain.shape)
        assert_allclose(ready_image, NORMALISED[name](plain), atol=2e-3)


@pytest.mark.parametrize("name", sorted(tasks.TASKS))
def test_every_task_hands_on_what_the_network_wants(name):
    spec = {"name": name, **({"crop": (16, 32)} if name == "stn" else {})}
    batch = make_batch(TURNED)
    plain, signed = (
        tasks.build(spec, size=SIZE, **normalised(kind)).prepare(jax.random.key(0), batch, False)["image"]
        for kind in ("picture", "signed")
    )
    assert_allclose(standardise(signed), plain, atol=1e-3)
    assert np.abs(signed - plain).max() > 0.1
    tasks.build(
        {**spec, "augmentation": "brightness(0.2)"}, size=SIZE, **normalised("signed")
    )  # now it changes a thing


def test_a_task_that_cannot_normalise_says_so(monkeypatch):
    monkeypatch.setitem(tasks.TASKS, "toy", lambda *, size: None)
    tasks.build({"name": "toy"}, size=SIZE)
    with pytest.raises(errors.InputError, match="'toy' has no argument 'normalise'"):
        tasks.build({"name": "toy"}, size=SIZE, **normalised("imagenet"))


def normalised(name):
    return {"normalise": inputs.NORMALISATIONS[name]}
