"""Tasks: what is known of a photo goes in, and an oracle's answer comes back in pixels of the photo."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special
from skimage import transform
from sklearn import metrics as reference

from whale_jax import errors, geometry, losses
from whale_jax.tasks import arcface, inputs
from whale_jax.tasks.bbox import bbox
from whale_jax.tasks.classify import classify
from whale_jax.tasks.keypoints import keypoints
from whale_jax.tasks.simclr import simclr

STORED, SIZE, COUNT = (40, 60), (32, 48), 6
TURNING = "rotate(180)|scale(0.8,1.25)|translate(0.05)|shear(5)|flip_lr"
UPRIGHT = "scale(0.8,1.25)|translate(0.05)|flip_lr|flip_ud"


def make_batch(view, seed=0):
    """Photos of some hundred pixels, seen through `view`, with a head in the middle of what is seen."""
    rng = np.random.default_rng(seed)
    inside = geometry.middle(STORED) + rng.uniform(-6, 6, (COUNT, 2, 2)).astype(np.float32)
    side = rng.uniform(8, 16, (COUNT, 2)).astype(np.float32)
    box = np.concatenate([inside[:, 0] - side / 2, side], axis=1)
    back = geometry.invert(view)
    return {
        "image": rng.integers(0, 256, (COUNT, *STORED, 3), np.uint8),
        "view": np.tile(view, (COUNT, 1, 1)),
        "index": np.arange(COUNT, dtype=np.int32),
        "label": rng.integers(0, 4, COUNT).astype(np.int32),
        "points": np.array(geometry.move_points(back, inside)),
        "box": np.array(geometry.move_box(back, box)),
        "mask": np.ones(COUNT, np.float32),
    }


TURNED = geometry.compose(geometry.translation(-300, -80), geometry.rotation(0.7), geometry.scaling(0.1, 0.2))
SQUASHED = geometry.compose(geometry.translation(-300, -80), geometry.scaling(0.1, 0.2))


def prepare(task, batch, train=True):
    return jax.jit(task.prepare, static_argnums=2)(jax.random.key(5), batch, train)


def answer(target, bins=0, bell=1.0):
    """The network's output that says `target` (B, 2, 2)."""
    if bins:
        target = -0.5 * jnp.square((jnp.arange(bins) + 0.5 - target[..., None] * bins) / bell)
    return target.reshape(COUNT, -1), {}


@pytest.mark.parametrize("augmentation", ["", TURNING])
@pytest.mark.parametrize("bins", [0, 64])
def test_an_oracles_points_come_back_in_photo_pixels(augmentation, bins):
    task, batch = keypoints(size=SIZE, augmentation=augmentation, bins=bins), make_batch(TURNED)
    ready = prepare(task, batch)
    outputs = answer(ready["target"], bins)
    assert outputs[0].shape == (COUNT, task.outputs)
    assert_allclose(
        task.predict(outputs, ready)["points"], batch["points"], atol=0.5
    )  # a network pixel is 5 to 13 here
    found = task.metrics(outputs, ready)
    assert found["point_error"][0] / COUNT < 0.01
    assert_array_equal(found["pck@0.05"], (COUNT, COUNT))


def test_points_are_where_the_picture_shows_them():
    """A light at the bonnet, red, and one at the blowhead, green, stay under the moved points."""
    batch = make_batch(TURNED)
    x, y = np.meshgrid(np.arange(STORED[1]), np.arange(STORED[0]))
    for i, pair in enumerate(geometry.move_points(TURNED, batch["points"])):
        lights = [255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8) for px, py in pair]
        batch["image"][i] = np.stack([*lights, 0 * x], axis=-1)
    ready = prepare(keypoints(size=SIZE, augmentation=TURNING), batch)
    columns, rows = (np.arange(SIZE[1]) + 0.5) / SIZE[1], (np.arange(SIZE[0]) + 0.5) / SIZE[0]
    for point in range(2):
        light = np.asarray(ready["image"][..., point])
        light = np.maximum(light - light.max((1, 2), keepdims=True) / 2, 0)
        light /= light.sum((1, 2), keepdims=True)
        seen = np.stack([light.sum(1) @ columns, light.sum(2) @ rows], axis=-1)
        assert_allclose(seen, ready["target"][:, point], atol=0.01)


def test_bins_answer_at_their_peak_however_unsure_the_rest_is():
    task = keypoints(size=SIZE, bins=64)
    ready = prepare(task, make_batch(TURNED))
    sure, _ = answer(ready["target"], 64)
    doubtful = jnp.maximum(sure, -6.0)  # half a dozen nats for everywhere else
    assert_allclose(task.predict((doubtful, {}), ready)["points"], ready["points"], atol=1.5)


def test_a_point_moved_out_of_the_picture_is_not_learned_but_counts_as_an_error():
    task = keypoints(size=SIZE)
    batch = make_batch(TURNED)
    batch["points"][0, 0] = (5000, 5000)
    ready = prepare(task, batch)
    assert_array_equal(ready["weight"], [0, 1, 1, 1, 1, 1])
    assert task.metrics((0 * answer(ready["target"])[0], {}), ready)["point_error"][1] == COUNT


def test_a_box_whose_mask_was_moved_out_of_the_picture_is_not_learned():
    batch = make_batch(TURNED)
    batch["box"][0, 0] = 5000
    assert_array_equal(prepare(bbox(size=SIZE, move="mask"), batch)["weight"], [0, 1, 1, 1, 1, 1])


@pytest.mark.parametrize("move", ["corners", "mask"])
@pytest.mark.parametrize("augmentation", ["", UPRIGHT])
def test_an_oracles_box_comes_back_in_photo_pixels(augmentation, move):
    task, batch = bbox(size=SIZE, augmentation=augmentation, move=move), make_batch(SQUASHED)
    ready = prepare(task, batch)
    outputs = (ready["target"], {})
    exact = move == "corners"
    pixel = np.array([10, 5, 20, 10]) / (SIZE[0] / STORED[0] * 0.8)  # of the network, at most, in the photo
    assert_allclose(task.predict(outputs, ready)["box"] / pixel, batch["box"] / pixel, atol=0.01 if exact else 1.3)
    found = task.metrics(outputs, ready)
    assert found["iou"][0] / COUNT > (0.99 if exact else 0.7)
    assert_array_equal(found["iou>0.5"], (COUNT, COUNT))


def test_a_box_by_bins_is_learned_by_its_corners_whichever_way_round_they_are_answered():
    task, batch = bbox(size=SIZE, bins=64), make_batch(SQUASHED)
    ready = prepare(task, batch)
    low, side = jnp.split(ready["target"], 2, axis=-1)
    corners = jnp.stack([low, low + side], axis=1)
    outputs = answer(corners, bins=64)
    assert outputs[0].shape == (COUNT, task.outputs)
    for said in (outputs, answer(corners[:, ::-1], bins=64)):
        assert_allclose(task.predict(said, ready)["box"], batch["box"], atol=2.0)  # a bin is 4.7 to 9.4 photo pixels
    assert (task.loss(outputs, ready) < task.loss(answer(corners + 0.05, bins=64), ready)).all()


@pytest.mark.parametrize("objective", ["iou", "giou"])
def test_a_box_can_be_learned_by_its_overlap(objective):
    task, batch = bbox(size=SIZE, objective=objective), make_batch(SQUASHED)
    ready = prepare(task, batch)
    low, side = jnp.split(ready["target"], 2, axis=-1)
    y = jax.scipy.special.logit(jnp.concatenate([low + side / 2, side], axis=-1))
    assert_allclose(task.loss((y, {}), ready), 0, atol=1e-4)
    assert_allclose(task.predict((y, {}), ready)["box"], batch["box"], atol=0.1)
    apart = jax.grad(lambda y: task.loss((y, {}), ready).sum())(y + jnp.array([5.0, 0, -3.0, 0]))
    if objective == "iou":
        assert_array_equal(apart, 0)  # nothing overlaps, so nothing says where to go
    else:
        assert (apart[:, 0] > 0).all()
    largest = task.predict((y + 99, {}), ready)["box"]  # a training that runs away stays within the picture's size
    assert_allclose(largest[:, 2:], np.tile([600.0, 200.0], (COUNT, 1)), rtol=1e-3)


def test_a_box_in_a_turned_view_is_the_box_around_it():
    task, batch = bbox(size=SIZE, augmentation="rotate(180)"), make_batch(TURNED)
    ready = prepare(task, batch)
    found = np.asarray(task.predict((ready["target"], {}), ready)["box"])
    inner, outer = geometry.corners(batch["box"]), geometry.corners(found)
    assert (outer[:, 0] <= inner[:, 0] + 0.1).all()
    assert (outer[:, 2] >= inner[:, 2] - 0.1).all()


def test_a_box_moved_by_its_mask_is_cut_at_the_rim_and_by_its_corners_is_not():
    batch = make_batch(SQUASHED)
    batch["box"][0] = geometry.move_box(geometry.invert(SQUASHED), np.array([50, 10, 30, 12], np.float32))
    corners, mask = (prepare(bbox(size=SIZE, move=move), batch)["target"] for move in ("corners", "mask"))
    assert_allclose(corners[0, 0] + corners[0, 2], 80.5 / 60, atol=1e-3)
    assert_allclose(mask[0, 0] + mask[0, 2], 1 - 0.5 / 48, atol=1e-3)
    assert_allclose(mask[1:], corners[1:], atol=2 / min(SIZE))  # whole pixels, of the view and of the input


def test_an_unknown_way_to_move_a_box_has_a_close_match():
    with pytest.raises(errors.InputError, match="did you mean giou"):
        bbox(size=SIZE, objective="gious")
    with pytest.raises(errors.InputError, match="did you mean mask"):
        bbox(size=SIZE, move="masks")


UNANNOTATED = {
    "points": (keypoints(size=SIZE, augmentation=TURNING), "points", np.nan),
    "one coordinate": (keypoints(size=SIZE, bins=16), "points", np.array([[1, np.nan], [2, 3]])),
    "box by corners": (bbox(size=SIZE, augmentation=TURNING), "box", np.nan),
    "box by mask": (bbox(size=SIZE, augmentation=TURNING, move="mask"), "box", np.nan),
    "label": (classify(size=SIZE, classes=4, augmentation=TURNING), "label", -1),
}


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
    (loss, (weight, found)), gradient = jax.value_and_grad(learn, has_aux=True)(y)
    assert_array_equal(weight, [1, 1, 0, 1, 0, 1])
    assert np.isfinite(loss)
    assert np.isfinite(gradient).all()
    assert_array_equal(np.abs(gradient).max(1) > 0, weight > 0)
    for total, count in found.values():
        assert np.isfinite(total)
        assert count == 4


def test_classification_is_scored_as_scikit_learn_does():
    task, batch = classify(size=SIZE, classes=4), make_batch(TURNED)
    batch["label"][:] = [0, 1, 2, 3, -1, 1]
    batch["mask"][5] = 0
    ready = prepare(task, batch, False)
    logits = np.random.default_rng(1).normal(0, 2, (COUNT, 4)).astype(np.float32)
    features = np.ones((COUNT, 7), np.float32)
    found = {
        name: float(s) / float(n) for name, (s, n) in task.metrics((logits, {"features": features}), ready).items()
    }
    p = special.softmax(logits[:4].astype(np.float64), axis=1)
    assert_allclose(found["log_loss"], reference.log_loss(range(4), p), rtol=1e-5)
    assert_allclose(found["log_loss_unclipped"], found["log_loss"], rtol=1e-6)
    assert_allclose(found["top1"], reference.accuracy_score(range(4), p.argmax(1)))
    assert found["top5"] == 1
    predicted = task.predict((logits, {"features": features}), ready)
    assert_array_equal(predicted["logits"], logits)
    assert_array_equal(predicted["features"], features)


def test_label_smoothing_reaches_the_loss():
    plain, smooth = (classify(size=SIZE, classes=4, smoothing=s) for s in (0.0, 0.2))
    ready = prepare(plain, make_batch(TURNED), False)
    y = jax.random.normal(jax.random.key(1), (COUNT, 4))
    assert_allclose(plain.loss((y, {}), ready), losses.cross_entropy(y, ready["label"]))
    assert_allclose(smooth.loss((y, {}), ready), losses.cross_entropy(y, ready["label"], smoothing=0.2))


def test_an_evaluation_sees_the_plain_resize():
    task, batch = classify(size=SIZE, classes=4, augmentation=f"{TURNING}|gamma(0.5,2)"), make_batch(TURNED)
    ready, again = (task.prepare(jax.random.key(seed), batch, False) for seed in (0, 1))
    assert_array_equal(ready["image"], again["image"])
    assert_allclose(ready["matrix"], geometry.compose(batch["view"], geometry.resize(STORED, SIZE)), rtol=1e-6)
    for seen, image in zip(ready["image"], batch["image"], strict=True):
        plain = transform.resize(image / 255, SIZE, order=1, mode="edge", anti_aliasing=False)
        assert_allclose(seen, (plain - plain.mean()) / plain.std(), atol=1e-3)


def test_a_given_matrix_takes_the_place_of_resize_and_augmentation():
    task, batch = keypoints(size=SIZE, augmentation=TURNING), make_batch(TURNED)
    matrix = geometry.about(geometry.rotation(np.array([0.3] * COUNT)), geometry.middle(STORED))
    ready = prepare(task, {**batch, "matrix": matrix})
    assert_allclose(ready["matrix"], geometry.compose(batch["view"], matrix), rtol=1e-6)
    warped = geometry.warp(batch["image"][0], matrix[0], SIZE) / 255
    assert_allclose(ready["image"][0], inputs.standardise(warped[None])[0], atol=1e-4)
    assert_allclose(task.predict(answer(ready["target"]), ready)["points"], batch["points"], atol=0.05)


def test_every_picture_has_mean_zero_and_deviation_one():
    images = np.random.default_rng(0).uniform(0, 1, (3, 8, 8, 3)) * np.array([1, 0.1, 0])[:, None, None, None] + 0.4
    seen = np.asarray(inputs.standardise(jnp.asarray(images)))
    assert_allclose(seen.mean((1, 2, 3)), 0, atol=1e-3)
    assert_allclose(seen.std((1, 2, 3)), [1, 1, 0], atol=1e-3)  # one colour all over stays finite


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


def test_simclr_draws_two_views_of_every_photo_whoever_it_shows():
    batch = make_batch(TURNED)
    batch["label"][0], batch["mask"][-1] = -1, 0
    ready = prepare(simclr(size=SIZE, augmentation=TURNING), batch)
    assert_array_equal(ready["label"], np.repeat(np.arange(COUNT), 2))
    assert_array_equal(ready["index"], np.arange(2 * COUNT))
    assert_array_equal(ready["weight"], np.repeat(batch["mask"], 2))
    first, second = ready["image"][::2], ready["image"][1::2]
    assert (np.abs(first - second).mean((1, 2, 3)) > 0.1).all()
    still = prepare(simclr(size=SIZE), batch)["image"]
    assert_array_equal(still[::2], still[1::2])
    plain = prepare(classify(size=SIZE, classes=4), batch, False)
    evaluated = prepare(simclr(size=SIZE, augmentation=TURNING), batch, False)
    assert_array_equal(evaluated["image"], plain["image"])
    assert_array_equal(evaluated["weight"], plain["weight"])


def test_a_target_for_each_whale_is_learned_in_place_of_the_label():
    task, batch = classify(size=SIZE, classes=4, smoothing=0.1), make_batch(TURNED)
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(COUNT, 4)))
    hard = task.loss((logits, {}), batch)
    assert_allclose(task.loss((logits, {}), {**batch, "target": np.eye(4)[batch["label"]]}), hard, rtol=1e-5)
    half = {**batch, "target": np.eye(4)[batch["label"]] / 2 + np.eye(4)[0] / 2}
    to_first = task.loss((logits, {}), {**batch, "label": np.zeros(COUNT, int)})
    assert_allclose(task.loss((logits, {}), half), (hard + to_first) / 2, rtol=1e-5)


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


def test_arcface_asks_less_of_rare_whales_and_takes_the_nearest_center():
    cosine, label = cosines(8)[0], np.arange(COUNT) % 4
    nearest = {"label": label, "photos": np.ones(COUNT)}
    task = arcface.arcface(size=SIZE, classes=4, margin=0.3, rarity=0.25, centers=2)
    single = arcface.arcface(size=SIZE, classes=4, margin=0.3)
    best = cosine.reshape(COUNT, 4, 2).max(-1)
    assert_allclose(task.loss((cosine, {}), nearest), single.loss((best, {}), nearest), rtol=1e-5)
    sixteenth = arcface.arcface(size=SIZE, classes=4, margin=0.15)
    many = {"label": label, "photos": np.full(COUNT, 16.0)}  # 16^-0.25 is a half
    assert_allclose(task.loss((cosine, {}), many), sixteenth.loss((best, {}), many), rtol=1e-5)
