"""The spatial transformer: what it begins with, what its losses say, and that it stays where it is right."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from whale_jax import geometry
from whale_jax.models import MODELS
from whale_jax.runtime import errors
from whale_jax.tasks import stn as tasks
from whale_jax.train import optim
from whale_jax.train import state as states
from whale_jax.train.step import freeze, make_train_step

SIZE, CROP, COUNT = (32, 32), (8, 16), 5
TINY = {"name": "vgg", "stages": ((4, 1),), "stem": (4, 3, 1), "dropout": 0.0}


def network(**changes):
    spec = {"localizer": {**TINY, "stages": ((4, 1), (4, 1))}, "classifier": TINY, "crop": CROP, "shrink": 2}
    return MODELS["stn"](outputs=3, **spec | changes)


def pictures():
    return np.random.default_rng(0).normal(size=(COUNT, *SIZE, 3)).astype(np.float32)


def make_batch(points=((20.0, 9.0), (11.0, 15.0))):
    """Pictures with the same bonnet and blowhead, in pixels of photos that are ten times as large."""
    return {
        "image": np.random.default_rng(1).integers(0, 256, (COUNT, *SIZE, 3), np.uint8),
        "view": np.tile(np.diag([0.1, 0.1, 1]).astype(np.float32), (COUNT, 1, 1)),
        "index": np.arange(COUNT, dtype=np.int32),
        "label": np.arange(COUNT, dtype=np.int32) % 3,
        "points": np.tile(10 * np.float32(points), (COUNT, 1, 1)),
        "mask": np.ones(COUNT, np.float32),
    }


def task(**changes):
    return tasks.stn(**{"size": SIZE, "classes": 3, "crop": CROP} | changes)


def outputs_of(matrix):
    """What a network returns that knows no whale and says these matrices."""
    return jnp.zeros((COUNT, 3)), {"matrix": matrix, "features": jnp.zeros((COUNT, 1))}


def prepared(objective, batch=None):
    return jax.jit(objective.prepare, static_argnums=2)(jax.random.key(0), batch or make_batch(), True)


@pytest.mark.parametrize("transform", ["similarity", "affine"])
def test_it_begins_with_the_identity_which_changes_nothing(transform):
    model = network(transform=transform, crop=SIZE)
    (_, out), _ = jax.jit(partial(model.init_with_output, train=False))(jax.random.key(3), pictures())
    assert_allclose(out["matrix"], np.tile(np.eye(3), (COUNT, 1, 1)), atol=1e-6)
    assert_allclose(out["crop"], pictures(), atol=1e-5)


def test_numbers_and_matrices_are_the_same_thing():
    assert_allclose(
        geometry.move_points(
            geometry.denormalise(jnp.zeros(6), crop=CROP, size=SIZE), jnp.array([[-0.5, 3.5], [15.5, 3.5]])
        ),
        [[-0.5, 15.5], [31.5, 15.5]],  # the middle of the left and of the right rim
        atol=1e-5,
    )
    numbers = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
    assert_allclose(
        geometry.normalise(geometry.denormalise(numbers, crop=CROP, size=SIZE), crop=CROP, size=SIZE),
        numbers,
        atol=1e-5,
    )


def test_points_make_the_crop_that_has_them_in_their_places():
    model = network(transform="points")
    (_, out), _ = jax.jit(partial(model.init_with_output, train=False))(jax.random.key(3), pictures())
    assert out["crop"].shape == (COUNT, *CROP, 3)
    linear = out["matrix"][:, :2, :2]
    assert_allclose(linear[:, 0, 0], linear[:, 1, 1], atol=1e-5)
    assert_allclose(linear[:, 0, 1], -linear[:, 1, 0], atol=1e-5)
    with pytest.raises(errors.InputError, match="needs a square picture whose side 2 divides, not 32 x 16"):
        jax.eval_shape(partial(model.init, train=False), jax.random.key(0), pictures()[:, :, :16])


@pytest.mark.slow
@pytest.mark.parametrize("fraction", [0.3, *(pytest.param(f, marks=pytest.mark.slow) for f in (0.0, 1.0))])
def test_so_much_of_the_classifiers_gradient_goes_through_to_the_localizer(fraction):
    images = pictures()
    variables = jax.jit(partial(network().init, train=False))(jax.random.key(0), images)
    turned = jax.tree.map(lambda x: x + 0.05, variables["params"])  # off the identity, and off zeros

    def slopes(share):
        def loss(params):
            y, _ = network(localizer_grad_scale=share).apply({**variables, "params": params}, images, train=False)
            return jnp.square(y).sum()

        return jax.jit(jax.grad(loss))(turned)

    scaled, whole = slopes(fraction), slopes(1.0)
    jax.tree.map(partial(assert_allclose, rtol=1e-3, atol=1e-5), scaled["classifier"], whole["classifier"])
    jax.tree.map(
        lambda a, b: assert_allclose(a, fraction * b, rtol=1e-3, atol=1e-4), scaled["localizer"], whole["localizer"]
    )
    assert max(abs(leaf).max() for leaf in jax.tree.leaves(whole["localizer"])) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("loc_loss", ["matrix", "points"])
def test_the_localizers_loss_is_nothing_at_the_truth_and_nowhere_else(loc_loss):
    objective = task(loc_loss=loc_loss, class_weight=0.0)
    batch = prepared(objective)
    outputs = outputs_of(batch["target"])
    assert_allclose(objective.loss(outputs, batch), 0, atol=1e-8)
    assert_allclose(objective.metrics(outputs, batch)["point_error"][0], 0, atol=1e-4)
    assert_allclose(objective.metrics(outputs, batch)["head_share"][0], COUNT)
    for move in (geometry.translation(2, 0), geometry.rotation(0.2), geometry.scaling(1.1, 1.1)):
        assert (objective.loss(outputs_of(geometry.compose(batch["target"], move)), batch) > 1e-3).all()
    assert_allclose(batch["moved_points"][0], make_batch()["points"][0] / 10, atol=1e-4)


def test_points_that_are_moved_by_one_head_length_cost_one():
    objective = task(loc_loss="points", class_weight=0.0)
    batch = prepared(objective)
    x, y = batch["moved_points"][0, 0] - batch["moved_points"][0, 1]
    moved = geometry.compose(batch["target"], geometry.translation(x, y))
    assert_allclose(objective.loss(outputs_of(moved), batch), 1, rtol=1e-4)


def test_waves_hold_nothing_of_the_head_and_half_a_head_holds_half():
    objective = task()
    batch = prepared(objective)
    for shift, share in ((8, 0.5), (16, 0.0), (100, 0.0)):  # pixels of the crop, which is 16 wide
        moved = geometry.compose(geometry.translation(shift, 0), batch["target"])
        assert_allclose(tasks.head_share(moved, batch["target"], crop=CROP), share)


def test_only_a_share_of_the_photos_teaches_the_localizer_and_always_the_same():
    index = jnp.arange(10_000)
    for share in (0.0, 0.01, 0.1, 0.5, 1.0):
        assert float(tasks.sampled(index, share=share).mean()) == pytest.approx(share, abs=0.005)
    assert (tasks.sampled(index, share=0.1) <= tasks.sampled(index, share=0.5)).all()
    objective = task(annotated_fraction=0.5, class_weight=0.0)
    batch = prepared(objective)
    losses = objective.loss(outputs_of(jnp.tile(jnp.eye(3), (COUNT, 1, 1))), batch)
    assert_array_equal(losses > 0, tasks.sampled(batch["index"], share=0.5))
    full = task(class_weight=0.0).loss(outputs_of(jnp.tile(jnp.eye(3), (COUNT, 1, 1))), batch)
    assert_allclose(losses, 2 * full * (losses > 0), rtol=1e-5)  # the fewer, the more each says


def test_a_photo_without_points_teaches_naming_alone():
    objective, batch = task(), make_batch()
    batch["points"][2] = np.nan
    ready = prepared(objective, batch)
    outputs = outputs_of(jnp.tile(jnp.eye(3), (COUNT, 1, 1)))
    assert_allclose(objective.loss(outputs, ready)[2], np.log(3), rtol=1e-5)
    assert (np.delete(objective.loss(outputs, ready), 2) > np.log(3) + 0.01).all()
    assert objective.metrics(outputs, ready)["point_error"][1] == COUNT - 1


@pytest.mark.slow
def test_a_network_that_begins_with_the_true_matrix_stays_there():
    objective, model = task(class_weight=0.0), network()
    optimizer = optim.optimizer(name="nesterov", lr=0.1, steps=4)
    state = states.create(model, optimizer, seed=0, size=SIZE)
    true = geometry.normalise(prepared(objective)["target"], crop=CROP, size=SIZE)[0]
    head = state.params["localizer"]["DenseHead_0"]["Dense_1"]
    head["bias"] = jnp.stack([true[0], true[2], true[4], true[5]])
    step, began = jax.jit(make_train_step(model, objective, optimizer=optimizer)), head["bias"]
    for _ in range(4):
        state, metrics = step(state, make_batch())
        assert metrics["loss"][0] / metrics["loss"][1] < 1e-9
    assert_allclose(state.params["localizer"]["DenseHead_0"]["Dense_1"]["bias"], began, atol=1e-5)


def test_drift_is_the_squared_distance_from_the_identity():
    objective = task(class_weight=0.0, loc_weight=0.0, identity_weight=2.0)
    batch = prepared(objective)
    numbers = jnp.array([0.1, 0, 0, 0.2, 0.3, 0])
    matrix = jnp.tile(geometry.denormalise(numbers, crop=CROP, size=SIZE), (COUNT, 1, 1))
    assert_allclose(objective.loss(outputs_of(matrix), batch), 2 * 0.14 / 6, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("remat", [False, True])
def test_a_frozen_localizer_is_left_as_it_was_running_averages_too(remat):
    model, groups = network(localizer={**TINY, "dropout": 0.5}), (("localizer/.*", {"frozen": True}),)
    optimizer = optim.optimizer(lr=0.1, steps=3, groups=groups, l2=0.1)
    before = states.create(model, optimizer, seed=0, size=SIZE)
    before.batch_stats["localizer"] = jax.tree.map(lambda mean: mean + 0.5, before.batch_stats["localizer"])
    step, state = jax.jit(make_train_step(model, task(), optimizer=optimizer, groups=groups, remat=remat)), before
    for _ in range(3):
        state, _ = step(state, make_batch())
    for kind in ("params", "batch_stats"):
        first, last = getattr(before, kind), getattr(state, kind)
        jax.tree.map(assert_array_equal, last["localizer"], first["localizer"])
        moved = jax.tree.map(lambda a, b: bool((a != b).any()), last["classifier"], first["classifier"])
        assert all(jax.tree.leaves(moved))


@pytest.mark.slow
def test_a_frozen_localizer_looks_where_it_looks_in_an_evaluation():
    model = network(localizer={**TINY, "dropout": 0.5}, transform="affine")
    state = states.create(model, optim.optimizer(lr=0.1, steps=1), seed=0, size=SIZE)
    state.params["localizer"]["DenseHead_0"]["Dense_1"]["kernel"] += 0.01
    variables = {"params": state.params, "batch_stats": state.batch_stats}

    def matrix(images, *, train, frozen):
        with nn.intercept_methods(freeze(frozen)):
            (_, out), _ = model.apply(
                variables, images, train=train, mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)}
            )
        return out["matrix"]

    evaluated = matrix(pictures(), train=False, frozen=())
    assert_allclose(matrix(pictures(), train=True, frozen={("localizer",)}), evaluated, atol=1e-6)
    assert np.abs(matrix(pictures(), train=True, frozen=()) - evaluated).max() > 1e-3
