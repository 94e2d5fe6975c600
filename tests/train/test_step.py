"""One training step on one device, on four by jit and on four by pmap is the same step."""

import contextlib
import io
import re
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import print_saved_residuals

from whale_jax.models import MODELS, layers
from whale_jax.runtime import errors
from whale_jax.tasks.classify import classify
from whale_jax.tasks.embed import embed
from whale_jax.tasks.simclr import simclr
from whale_jax.train import ema as averages
from whale_jax.train import optim
from whale_jax.train import state as states
from whale_jax.train.parallel import parallel
from whale_jax.train.step import MARKED, freeze, make_eval_step, make_train_step

SIZE = (16, 16)
WARPS = "rotate(30)|scale(0.8,1.2)|flip_lr|gamma(0.8,1.2)"
STAGES = ((4, 1), (8, 1))


def make_batch(seed, count=8):
    rng = np.random.default_rng(seed)
    return {
        "image": rng.integers(0, 255, (count, 20, 20, 3), np.uint8),
        "view": np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)),
        "index": rng.permutation(100)[:count].astype(np.int32),
        "label": rng.integers(-1, 3, count).astype(np.int32),
        "mask": np.ones(count, np.float32),
    }


def train(
    name,
    mode,
    devices,
    *,
    steps=5,
    shuffle=False,
    task=None,
    accumulate=1,
    remat=False,
    ema=0.0,
    history=None,
    **changes,
):
    """Parameters and metrics after some steps of a network with batch norm and dropout on augmented pictures.

    The state after each step is put into the list `history`.
    """
    task = task or classify(size=SIZE, classes=3, augmentation=WARPS)
    spec = {"stages": STAGES, "stem": (4, 3, 1), "dropout": 0.0 if shuffle else 0.5, **changes}
    model = MODELS[name](outputs=task.outputs, **spec)
    optimizer = optim.optimizer(name="nesterov", lr=0.05, l2=1e-4, steps=steps)
    group = parallel(mode, devices)
    step = make_train_step(model, task, optimizer=optimizer, accumulate=accumulate, remat=remat)
    step = group.train(averages.wrap(step, decay=ema) if ema else step)
    state = states.create(model, optimizer, seed=3, size=SIZE)
    state = group.put_state(averages.init(state) if ema else state)
    for i in range(steps):
        batch = make_batch(i)
        if shuffle:
            order = np.random.default_rng(i).permutation(8)
            batch = {key: value[order] for key, value in batch.items()}
        state, metrics = step(state, group.put_batch(batch))
        if history is not None:
            history.append(jax.device_get(state))
    return jax.device_get(state), jax.device_get(metrics)


def assert_same(a, b, atol=2e-5):
    jax.tree.map(partial(np.testing.assert_allclose, atol=atol, rtol=1e-4), a, b)


@pytest.mark.parametrize("name", ["vgg", pytest.param("resnet", marks=pytest.mark.slow)])
def test_any_number_of_devices_and_both_ways_give_the_same_training(name):
    single, metrics = train(name, "jit", 1)
    for mode, devices in [("jit", 4), ("pmap", 4)]:
        other, other_metrics = train(name, mode, devices)
        assert_same((single.params, single.batch_stats), (other.params, other.batch_stats))
        assert_same(metrics, other_metrics, atol=1e-4)


@pytest.mark.slow
def test_parts_of_a_batch_have_the_gradient_of_the_whole():
    """Without batch normalisation and dropout, which see the parts by themselves."""
    plain = {"norm": False, "dropout": 0.0}
    (single, metrics), (other, same) = (train("vgg", "jit", 1, accumulate=parts, **plain) for parts in (1, 4))
    assert_same(single.params, other.params)
    assert_same(metrics, same, atol=1e-4)


@pytest.mark.slow
def test_parts_of_a_batch_are_spread_over_the_devices():
    single, metrics = train("resnet", "jit", 1, accumulate=2)
    for mode in ("jit", "pmap"):
        other, other_metrics = train("resnet", mode, 4, accumulate=2)
        assert_same((single.params, single.batch_stats), (other.params, other.batch_stats))
        assert_same(metrics, other_metrics, atol=1e-4)
    whole, _ = train("resnet", "jit", 1)
    assert not np.allclose(*(jax.tree.leaves(state.params)[0] for state in (single, whole)), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_what_is_computed_again_on_the_way_back_changes_nothing(name):
    plain, metrics = train(name, "jit", 1)
    again, same = train(name, "pmap", 2, remat=True)
    assert_same((plain.params, plain.batch_stats), (again.params, again.batch_stats))
    assert_same(metrics, same, atol=1e-4)


@pytest.mark.parametrize(
    ("model", "residuals"),
    [
        (MODELS["vgg"](outputs=3, stages=((4, 2), (8, 2))), ["8,8,4", "4,4,8"]),
        (MODELS["resnet"](outputs=3, stages=((4, 2), (8, 1))), ["8,8,4", "8,8,4", "4,4,8"]),
        (MODELS["inception"](outputs=3, modules=()), ["73,73,64", "35,35,192"]),
    ],
    ids=["vgg", "resnet", "inception"],
)
def test_only_what_the_model_marks_is_kept_for_the_way_back(model, residuals):
    side = 299 if not hasattr(model, "stages") else 16
    x = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), x)

    def loss(variables, x):
        def forward(variables, x):
            return model.apply(variables, x, train=True, mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)})

        return jax.checkpoint(forward, policy=MARKED)(variables, x)[0][0].sum()

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        print_saved_residuals(loss, variables, x)
    lines = [line for line in text.getvalue().splitlines() if "from the argument" not in line and "[" in line]
    saved = [re.match(r"f32\[2,(\d+,\d+,\d+)\]", line) for line in lines]
    assert [shape[1] for shape in saved if shape] == residuals


MINED = {
    "semi-hard": embed(size=SIZE, dimensions=5, loss="semi_hard", margin=0.3, augmentation=WARPS),
    "multi-similarity": embed(size=SIZE, dimensions=5, loss="multi_similarity", margin=0.3, augmentation=WARPS),
    "simclr": simclr(size=SIZE, dimensions=5, augmentation=WARPS),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["simclr", *(pytest.param(n, marks=pytest.mark.slow) for n in list(MINED)[:2])])
def test_pairs_are_mined_in_the_global_batch(name):
    task = MINED[name]
    single, metrics = train("vgg", "jit", 1, task=task)
    assert metrics["distance"][1] > 8  # pairs of the whole batch, of which a quarter would have 2 at most
    for mode, devices in [("jit", 4), ("pmap", 4)]:
        other, other_metrics = train("vgg", mode, devices, task=task)
        assert_same((single.params, single.batch_stats), (other.params, other.batch_stats), atol=1e-4)
        assert_same(metrics, other_metrics, atol=1e-4)


@pytest.mark.slow
def test_photos_and_their_mirror_images_are_learned_and_answered_alike_on_any_number_of_devices():
    task = classify(size=SIZE, classes=3, augmentation="flip_ud|rotate(10)", mirrored=True)
    model, batch = MODELS["vgg"](outputs=6, stages=STAGES, stem=(4, 3, 1)), make_batch(9)
    single, metrics = train("vgg", "jit", 1, task=task)
    expected = jax.device_get(jax.jit(make_eval_step(model, task))(single, batch))
    assert expected[1]["logits"].shape == (8, 3)
    for mode in ("jit", "pmap"):
        other, other_metrics = train("vgg", mode, 4, task=task)
        assert_same(
            (single.params, single.batch_stats, metrics), (other.params, other.batch_stats, other_metrics), 1e-4
        )
        group = parallel(mode, 4)
        sums, predicted = group.evaluate(make_eval_step(model, task))(group.put_state(single), group.put_batch(batch))
        assert_same(expected, (jax.device_get(sums), group.gather(predicted)), 1e-4)


def test_an_examples_augmentation_follows_its_index_not_its_place():
    task = classify(size=SIZE, classes=3, augmentation=WARPS)
    batch = make_batch(0)
    order = np.random.default_rng(0).permutation(8)
    images = task.prepare(jax.random.key(0), batch, True)["image"]
    shuffled = task.prepare(jax.random.key(0), {key: value[order] for key, value in batch.items()}, True)["image"]
    np.testing.assert_allclose(images[order], shuffled, atol=1e-5)


def test_rows_of_weight_zero_change_nothing_in_an_evaluation():
    task = classify(size=SIZE, classes=3)
    model = MODELS["vgg"](outputs=3, stages=STAGES)
    state = states.create(model, optim.optimizer(lr=0.1, steps=1), seed=0, size=SIZE)
    step = jax.jit(make_eval_step(model, task))
    batch = make_batch(1)
    metrics, predicted = step(state, batch)
    padded = {key: np.concatenate([value, value[:3]]) for key, value in batch.items()}
    padded["mask"][8:] = 0
    same, padded_outputs = step(state, padded)
    for name, (total, count) in metrics.items():
        np.testing.assert_allclose((total, count), same[name], rtol=1e-5)
    np.testing.assert_allclose(predicted["logits"], padded_outputs["logits"][:8], atol=1e-5)
    assert metrics["loss"][1] == (batch["label"] >= 0).sum()


def test_what_a_task_must_give_is_asked_for_at_its_first_step():
    task = classify(size=SIZE, classes=3)
    column = task._replace(loss=lambda outputs, batch: task.loss(outputs, batch)[:, None])
    with pytest.raises(errors.InputError, match=r"a metric or a loss gives \(8, 1\) for \(8,\) examples"):
        train("vgg", "jit", 1, steps=1, task=column)
    model = MODELS["vgg"](outputs=3, stages=STAGES)
    state = states.create(model, optim.optimizer(lr=0.1, steps=1), seed=0, size=SIZE)
    for changed in (column, task._replace(best="log_los")):
        with pytest.raises(errors.InputError, match=r"one value each|did you mean log_loss"):
            make_eval_step(model, changed)(state, make_batch(1))
    assert "loss" in make_eval_step(model, task._replace(best="loss"))(state, make_batch(1))[0]


def test_l2_pulls_kernels_and_spares_biases_and_normalisation():
    params = {"conv": {"kernel": jnp.ones(3), "bias": jnp.ones(3)}, "norm": {"scale": jnp.ones(3)}}
    optimizer = optim.optimizer(name="nesterov", lr=1.0, momentum=0.0, l2=0.05, steps=1)
    zero = jax.tree.map(jnp.zeros_like, params)
    updates, _ = optimizer.update(zero, optimizer.init(params), params)
    np.testing.assert_allclose(updates["conv"]["kernel"], -0.1)  # d/dw of 0.05 w^2 at 1
    assert not updates["conv"]["bias"].any()
    assert not updates["norm"]["scale"].any()


def test_a_normalisation_that_is_frozen_by_itself_acts_as_in_an_evaluation():
    cell, x = layers.ConvNorm(4), jax.random.normal(jax.random.key(0), (2, 8, 8, 3)) + 1
    variables = cell.init(jax.random.key(1), x, train=True)
    with nn.intercept_methods(freeze({("BatchNorm_0",)})):
        outputs, updates = cell.apply(variables, x, train=True, mutable=["batch_stats"])
    jax.tree.map(np.testing.assert_array_equal, updates["batch_stats"], variables["batch_stats"])
    np.testing.assert_allclose(outputs, cell.apply(variables, x, train=False), rtol=1e-6)
