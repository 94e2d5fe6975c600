"""The contract of a task, held by all of TASKS."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.tasks.batches import COUNT, SIZE, TURNED, TURNING, make_batch
from whale_jax import tasks
from whale_jax.tasks.task import Task

CROP = (16, 32)
ARGUMENTS = {"stn": {"crop": CROP}}  # of tasks that need some
MIRRORED = {f"{name} mirrored": {"name": name, "mirrored": True} for name in ("classify", "arcface")}
ANNOTATIONS = ("label", "box", "points", "")
PADDING = 4  # the first row of it


@pytest.fixture(params=[*sorted(tasks.TASKS), *(pytest.param(name, marks=pytest.mark.slow) for name in MIRRORED)])
def task(request):
    spec = {"name": request.param, "augmentation": f"{TURNING}|flip_ud", **ARGUMENTS.get(request.param, {})}
    spec |= MIRRORED.get(request.param, {})
    return tasks.build(spec, size=SIZE, classes=5)


def batch_of(seed):
    """A batch whose last rows are padding, of photos that depend on the seed; the others do not."""
    batch, other = make_batch(TURNED), make_batch(TURNED, seed)
    batch = {name: np.concatenate([value[:PADDING], other[name][PADDING:]]) for name, value in batch.items()}
    batch["photos"] = np.full(COUNT, 3, np.float32)
    batch["mask"] = np.float32(np.arange(COUNT) < PADDING)
    return batch


def outputs_of(task, rows):
    """What a network may return for so many rows, each by its number."""
    y = jax.random.normal(jax.random.key(1), (rows, task.outputs)) / 4
    out = {"features": jax.random.normal(jax.random.key(2), (rows, 3))}
    return y, out | {"matrix": jnp.tile(jnp.eye(3), (rows, 1, 1))}


def run(task, batch, *, train):
    """(weight, loss, metrics, predictions) of a batch, as a step computes them; in training, the loss alone of most."""
    ready = task.prepare(jax.random.key(0), batch, train)
    outputs = outputs_of(task, len(ready["weight"]))
    if task.pairwise:
        gallery = {"embedding": outputs[0], **{name: ready[name] for name in ("label", "index", "weight")}}
        ready = {**ready, "gallery": gallery}
    elif train:
        return ready["weight"], task.loss(outputs, ready), {}, {}
    return ready["weight"], task.loss(outputs, ready), task.metrics(outputs, ready), task.predict(outputs, ready)


def test_every_field_is_there(task):
    assert isinstance(task, Task)
    assert task.outputs >= 1
    assert task.annotation in ANNOTATIONS
    assert not (task.names_whales and task.annotation != "label")
    assert not (task.soft_labels and not task.names_whales)
    for function in (task.prepare, task.loss, task.metrics, task.predict, task.score, task.check, task.check_setup):
        assert callable(function)
    assert all(isinstance(flag, bool) for flag in (task.maximise, task.names_whales, task.soft_labels, task.pairwise))


@pytest.mark.slow
@pytest.mark.parametrize("train", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_functions_are_pure_and_say_the_same_when_they_are_compiled(task, train):
    batch = batch_of(seed=1)
    before = {name: value.copy() for name, value in batch.items()}
    first = run(task, batch, train=train)
    jax.tree.map(assert_array_equal, batch, before)
    compiled = jax.jit(lambda batch: run(task, batch, train=train))(batch)
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=2e-3, atol=2e-3), first, compiled)


@pytest.mark.parametrize("train", [True, False])
def test_padding_rows_weigh_nothing_and_change_nothing(task, train):
    step = jax.jit(lambda batch: run(task, batch, train=train))
    (weight, loss, metrics, predictions), other = step(batch_of(seed=1)), step(batch_of(seed=2))
    rows = len(weight) * PADDING // COUNT  # a task may draw several views of a photo
    assert_array_equal(weight[rows:], 0)
    assert (weight[:rows] > 0).any()
    assert_allclose(loss[:rows], other[1][:rows], rtol=1e-5)
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-5), metrics, other[2])
    jax.tree.map(lambda a, b: assert_allclose(a[:rows], b[:rows], rtol=1e-5), predictions, other[3])
    assert all(np.isfinite(total) for total, _ in metrics.values())


def test_what_is_predicted_and_measured_is_what_the_fields_say(task):
    weight, loss, metrics, predictions = jax.eval_shape(partial(run, task, train=task.pairwise), batch_of(seed=1))
    assert loss.shape == weight.shape
    assert loss.ndim == 1
    assert all(value.shape == () for pair in metrics.values() for value in pair)
    assert not task.names_whales or predictions["logits"].shape[1] == 5
    assert task.pairwise or task.best in metrics
    if task.annotation in ("box", "points"):
        assert task.annotation in predictions
