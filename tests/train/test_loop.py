"""A run that was killed and resumed is the run that was not, bit for bit."""

import functools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from whale_jax.models import MODELS
from whale_jax.runtime import errors, hosts
from whale_jax.tasks.classify import classify
from whale_jax.train import ema as averages
from whale_jax.train import integrity, log, loop, optim
from whale_jax.train import state as states
from whale_jax.train.checkpoint import Checkpoints
from whale_jax.train.parallel import parallel
from whale_jax.train.step import make_eval_step, make_train_step

SIZE, STEPS = (12, 12), 9


def make_batch(step):
    """This host's share of a batch."""
    rng = np.random.default_rng(step)
    label = rng.integers(0, 2, 8).astype(np.int32)
    images = rng.integers(0, 100, (8, 14, 14, 3)) + 100 * label[:, None, None, None] * (np.arange(14) < 7)[:, None]
    batch = {
        "image": images.astype(np.uint8),
        "view": np.tile(np.eye(3, dtype=np.float32), (8, 1, 1)),
        "index": np.arange(8, dtype=np.int32),
        "label": label,
        "mask": np.ones(8, np.float32),
    }
    return {name: value[hosts.share(8)] for name, value in batch.items()}


@functools.cache
def network(make_step, *, lr, steps, mode, devices, ema):
    """The devices, the steps of evaluation and training, compiled once for all tests, and the first state."""
    task = classify(size=SIZE, classes=2, augmentation="rotate(10)|flip_ud")
    model, group = MODELS["vgg"](outputs=2, stages=((4, 1),), stem=(4, 3, 1)), parallel(mode, devices)
    optimizer = optim.optimizer(name="adam", lr=lr, steps=steps)
    state, step = states.create(model, optimizer, seed=5, size=SIZE), make_step(model, task, optimizer=optimizer)
    if ema:
        state, step = averages.init(state), averages.wrap(step, decay=ema)
    return group, group.evaluate(make_eval_step(model, task)), group.train(step), jax.device_get(state)


def fit(
    workdir,
    *,
    die_at=None,
    by=signal.SIGKILL,
    lr=0.01,
    patience=0,
    steps=STEPS,
    monitored=False,
    mode="jit",
    devices=2,
    checkpoints=None,
    eval_every=3,
    ema=0.0,
    maximise=False,
):
    """Trains a small network with dropout and augmentation; sends its own process a signal before step `die_at`."""
    group, evaluate, step, state = network(make_train_step, lr=lr, steps=steps, mode=mode, devices=devices, ema=ema)

    def measure(state):
        return loop.evaluate(evaluate, state, batches=[make_batch(1000), make_batch(1001)], parallel=group)[0]

    def training(step):
        if step == die_at:
            os.kill(os.getpid(), by)
        return make_batch(step)

    return loop.fit(
        state,
        step,
        plan=loop.Plan(
            steps, 8, eval_every=eval_every, log_every=2, patience=patience, best="log_loss", maximise=maximise
        ),
        parallel=group,
        training=training,
        measures=dict.fromkeys(("valid", "monitor") if monitored else ("valid",), measure),
        workdir=Path(workdir),
        checkpoints=checkpoints,
    )


@pytest.mark.slow
def test_killed_and_resumed_is_the_same_run_bit_for_bit(tmp_path):
    whole, result = fit(tmp_path / "whole")
    code = (
        "import jax; jax.config.update('jax_num_cpu_devices', 4); from tests.train import test_loop;"
        f"test_loop.fit({str(tmp_path / 'cut')!r}, die_at=7)"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    last = log.read(tmp_path / "cut")[-1]["step"]
    assert 0 < last < STEPS
    resumed, same = fit(tmp_path / "cut")
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(whole), jax.device_get(resumed))
    assert result["best"] == same["best"]
    assert log.read(tmp_path / "whole") == log.read(tmp_path / "cut")
    assert saved(tmp_path / "whole") == (result["best_step"], {STEPS, result["best_step"]})


@pytest.mark.parametrize("ema", [0.0, pytest.param(0.7, marks=pytest.mark.slow)])
def test_a_run_that_is_asked_to_end_saves_where_it_is_and_goes_on_from_there(tmp_path, ema):
    """Bit for bit, and its log too, which has not seen all steps then."""
    whole, result = fit(tmp_path / "whole", ema=ema)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(errors.PreemptedError) as ended:
        fit(tmp_path / "cut", die_at=6, by=signal.SIGTERM, ema=ema)
    step = int(re.search(r"step (\d+) of 9", str(ended.value))[1])  # batches are made ahead of their steps
    assert 5 <= step <= 8
    assert (tmp_path / "cut" / "checkpoints" / str(step)).is_dir()
    assert signal.getsignal(signal.SIGTERM) == before
    resumed, same = fit(tmp_path / "cut", ema=ema)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(whole), jax.device_get(resumed))
    assert result["best"] == same["best"]
    assert log.read(tmp_path / "whole") == log.read(tmp_path / "cut")


def saved(workdir):
    """The step that the last checkpoint of a run says was the best, and the steps of all."""
    steps = {int(path.name): path for path in (epath.Path(workdir) / "checkpoints").iterdir()}
    return integrity.read_item(steps[max(steps)])["best"]["step"], {*steps}


def test_the_best_weights_are_kept_beside_the_last_and_of_equals_those_that_are_told_of(tmp_path, monkeypatch):
    losses = {3: 0.5, 6: 0.2, 9: 0.2, 12: 0.4, 15: 0.3}
    monkeypatch.setattr(loop, "evaluate", lambda _, state, *__, **___: ({"log_loss": losses[int(state.step)]}, {}))
    state, result = fit(tmp_path, steps=15)
    assert (result["best_step"], int(state.step), result["best"]) == (9, 15, {"log_loss": 0.2})
    assert saved(tmp_path) == (9, {9, 15})


@pytest.mark.slow
def test_equals_are_no_progress(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "evaluate", lambda *_, **__: ({"log_loss": 0.5}, {}))
    state, _ = fit(tmp_path, steps=60, patience=2)
    assert int(state.step) == 9


@pytest.mark.slow
def test_what_is_monitored_is_measured_as_validation_is_and_changes_nothing(tmp_path):
    plain, _ = fit(tmp_path / "plain")
    monitored_state, _ = fit(tmp_path / "seen", monitored=True)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(plain), jax.device_get(monitored_state))
    rows = log.read(tmp_path / "seen")
    valid, monitored = ([row[f"{kind}/loss"] for row in rows if f"{kind}/loss" in row] for kind in ("valid", "monitor"))
    assert valid == monitored
    assert len(valid) == 3


@pytest.mark.slow
def test_stops_early_when_nothing_gets_better(tmp_path):
    fit(tmp_path, lr=1.0, patience=2, steps=60)
    losses = [row["valid/log_loss"] for row in log.read(tmp_path) if "valid/log_loss" in row]
    assert len(losses) < 20
    assert losses.index(min(losses)) == len(losses) - 3


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(tmp_path, monkeypatch):
    closed, close = [], log.Log.close
    monkeypatch.setattr(log.Log, "close", lambda self: closed.append(close(self)))
    with pytest.raises(errors.InputError, match=r"loss at step [23] is .*learning rate"):
        fit(tmp_path, lr=float("nan"))
    assert len(closed) == 1  # no thread is left to write events


@pytest.mark.slow
def test_a_gradient_that_is_not_finite_is_not_saved(tmp_path, monkeypatch):
    whole = make_train_step

    def broken(*args, **options):
        def train_step(state, batch, **axis):
            after, metrics = whole(*args, **options)(state, batch, **axis)
            norm = jnp.where(state.step == 5, jnp.nan, metrics["gradient_norm"][0])
            return after, {**metrics, "gradient_norm": (norm, 1.0)}

        return train_step

    with monkeypatch.context() as patched:
        patched.setattr(f"{__name__}.make_train_step", broken)
        with pytest.raises(errors.InputError, match=r"gradient norm at step 6 is nan"):
            fit(tmp_path)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()] == ["3"]
    assert int(fit(tmp_path)[0].step) == STEPS


@pytest.mark.slow
def test_a_second_call_finds_the_run_complete(tmp_path):
    first, _ = fit(tmp_path)
    rows = log.read(tmp_path)
    again, _ = fit(tmp_path, die_at=STEPS - 1)  # no batch is asked for
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(first), jax.device_get(again))
    assert log.read(tmp_path) == rows


@pytest.mark.slow
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_rating_that_is_not_finite_is_beaten_by_any_other(tmp_path, monkeypatch, sign):
    losses = {3: float("nan"), 6: 0.5, 9: sign * float("inf"), 12: float("nan"), 15: 0.5 - 0.1 * sign}
    monkeypatch.setattr(loop, "evaluate", lambda _, state, *__, **___: ({"log_loss": losses[int(state.step)]}, {}))
    state, result = fit(tmp_path, steps=15, maximise=sign > 0)
    assert (result["best_step"], result["best"]) == (6, {"log_loss": 0.5})
    assert saved(tmp_path) == (6, {6, int(state.step)})


@pytest.mark.slow
def test_parameters_that_are_not_finite_are_not_saved_and_the_run_goes_on_from_those_before(tmp_path):
    with pytest.raises(errors.InputError, match=r"parameters after step 1 are not finite.*learning rate"):
        fit(tmp_path / "one", lr=float("inf"), steps=1)
    assert not [path for path in (tmp_path / "one" / "checkpoints").iterdir() if path.name.isdigit()]
    whole, _ = fit(tmp_path / "whole")

    plain = make_train_step

    def broken(*args, **options):
        def train_step(state, batch, **axis):
            after, metrics = plain(*args, **options)(state, batch, **axis)
            params = jax.tree.map(lambda leaf: jnp.where(after.step == 9, jnp.inf, leaf), after.params)
            return after._replace(params=params), metrics

        return train_step

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(f"{__name__}.make_train_step", broken)
        with pytest.raises(errors.InputError, match="parameters after step 9 are not finite"):
            fit(tmp_path / "last")
    resumed, _ = fit(tmp_path / "last")
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(whole), jax.device_get(resumed))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("evaluation", "eval_every"), [(1, 3), *(pytest.param(*n, marks=pytest.mark.slow) for n in ((3, 3), (4, 1)))]
)
def test_a_request_to_end_during_an_evaluation_is_honoured_and_loses_nothing(
    tmp_path, monkeypatch, evaluation, eval_every
):
    """Also during the last one, and where each step has one."""
    whole, result = fit(tmp_path / "whole", eval_every=eval_every)
    plain, evaluations = loop.evaluate, []

    def evaluate(*args, **options):
        evaluations.append(args)
        if len(evaluations) == evaluation:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "evaluate", evaluate)
        with pytest.raises(errors.PreemptedError, match=f"step {evaluation * eval_every} of {STEPS}, which is saved"):
            fit(tmp_path / "cut", eval_every=eval_every)
    resumed, same = fit(tmp_path / "cut", eval_every=eval_every)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(whole), jax.device_get(resumed))
    assert result["best"] == same["best"]
    assert log.read(tmp_path / "whole") == log.read(tmp_path / "cut")


@pytest.mark.slow
def test_a_request_to_end_while_the_last_checkpoint_is_written_is_not_swallowed(tmp_path, monkeypatch):
    close = Checkpoints.close
    monkeypatch.setattr(Checkpoints, "close", lambda self: (os.kill(os.getpid(), signal.SIGTERM), close(self)))
    with pytest.raises(errors.PreemptedError):
        fit(tmp_path)
    monkeypatch.setattr(Checkpoints, "close", close)
    assert int(fit(tmp_path, die_at=STEPS - 1)[0].step) == STEPS
