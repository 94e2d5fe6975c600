"""A step function is compiled once, whatever a run does, and moves nothing between host and devices."""

import re

import jax
import numpy as np
import pytest

from whale_jax.data import loader
from whale_jax.models import MODELS
from whale_jax.tasks.classify import classify
from whale_jax.train import loop, optim
from whale_jax.train import state as states
from whale_jax.train.parallel import parallel
from whale_jax.train.step import make_eval_step, make_train_step

SIZE, ROWS = (8, 8), 11


class Rows:
    """Something with the loader's interface."""

    def __getitem__(self, rows):
        count = len(rows)
        return {
            "image": np.random.default_rng(0).integers(0, 256, (ROWS, 10, 10, 3), np.uint8)[rows],
            "view": np.tile(np.eye(3, dtype=np.float32), (count, 1, 1)),
            "index": np.asarray(rows, np.int32),
            "label": np.asarray(rows % 2, np.int32),
            "mask": np.ones(count, np.float32),
        }


def make_steps(mode):
    """Devices, compiled steps and the first state of a small network with batch norm and dropout."""
    task = classify(size=SIZE, classes=2, augmentation="rotate(10)|gamma(0.8,1.2)")
    model = MODELS["vgg"](outputs=2, stages=((4, 1),), stem=(4, 3, 1))
    optimizer = optim.optimizer(lr=0.01, schedule="cosine", warmup=0.2, steps=8)
    devices = parallel(mode, 2)
    step, evaluate = (
        devices.train(make_train_step(model, task, optimizer=optimizer)),
        devices.evaluate(make_eval_step(model, task)),
    )
    return devices, step, evaluate, jax.device_get(states.create(model, optimizer, seed=0, size=SIZE))


def fit(steps, workdir, *, until):
    devices, step, evaluate, state = steps

    def measure(state):
        batches = loader.evaluation(Rows(), np.arange(ROWS), batch=4)
        return loop.evaluate(evaluate, state, batches=batches, parallel=devices)[0]

    return loop.fit(
        state,
        step,
        plan=loop.Plan(until, 4, eval_every=2, log_every=3, patience=0, best="log_loss", maximise=False),
        parallel=devices,
        training=loader.training(Rows(), np.arange(ROWS), batch=4, seed=0),
        measures={"valid": measure},
        workdir=workdir,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "names"),
    [("jit", ["train_step", "eval_step"]), ("pmap", ["_fun", "_fun"])],
)
def test_one_compilation_a_step_function(mode, names, tmp_path, caplog):
    steps = make_steps(mode)
    with jax.log_compiles():
        fit(steps, tmp_path, until=5)  # several epochs, evaluations whose last batch is padded, checkpoints
        fit(steps, tmp_path, until=8)  # goes on from a restored state
    compiled = re.findall(r"Finished XLA compilation of jit\((train_step|eval_step|_fun)\)", caplog.text)
    assert compiled == names  # pmap does not name what it compiles


def test_a_batch_that_is_not_on_the_devices_is_refused(tmp_path):
    devices, *rest = make_steps("jit")
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        fit((devices._replace(put_batch=lambda batch: batch), *rest), tmp_path, until=1)
