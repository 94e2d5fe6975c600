"""The one training loop."""

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from whale_jax.evaluation import metrics
from whale_jax.runtime import errors, preemption, progress, threads
from whale_jax.train import log
from whale_jax.train.checkpoint import Checkpoints
from whale_jax.train.parallel import Parallel
from whale_jax.train.state import TrainState

MEND = (
    "lower the learning rate (config.optimizer.lr) or clip the gradient (config.optimizer.clip); the last checkpoint"
    " before it is kept"
)


class Plan(NamedTuple):
    """How long to train, and what to do on the way.

    Attributes:
        steps: number of steps; 0 to measure and keep the weights that the training begins with.
        batch: examples a step.
        eval_every: steps from one evaluation and checkpoint to the next.
        log_every: steps from one row of training metrics to the next.
        patience: evaluations without a better one after which to stop; 0 never.
        best: the metric that says which checkpoint is best.
        maximise: whether more of it is better.
    """

    steps: int
    batch: int
    eval_every: int
    log_every: int
    patience: int
    best: str
    maximise: bool


def fit(
    state: TrainState,
    train_step: Callable,
    *,
    plan: Plan,
    parallel: Parallel,
    training: Callable[[int], dict],
    measures: Mapping[str, Callable[[TrainState], dict[str, float]]],
    workdir: Path,
    checkpoints: Path | None = None,
    title: str = "train",
) -> tuple[TrainState, dict[str, Any]]:
    """Trains until `plan` is done, from the last checkpoint on if there is one.

    Args:
        state: the first state.
        train_step: compiled (state, batch) -> (state, metrics).
        plan: see Plan.
        parallel: puts states and batches on the devices.
        training: step -> batch on the host.
        measures: {name in the log: state -> metrics of an evaluation}. "valid" chooses the best state; without
            `plan.best` among its metrics, the last one is.
        workdir: for logs.
        checkpoints: where they are kept; None is inside `workdir`.
        title: of the progress bar.

    Returns:
        The last state, and {"best": metrics of the best one, "best_step", "seconds", "images_per_second"}; the seconds
        include compilation and evaluations.

    Raises:
        InputError: a loss, gradient or parameter is not finite; names the step.
        PreemptedError: the process was asked to end, and the last step is saved.
    """
    state = parallel.put_state(state)
    status = {"seconds": 0.0, "best": {}, "best_step": 0, "rating": None, "stale": 0, "pending": []}
    with contextlib.ExitStack() as stack:  # whatever happens, what was measured and saved is written to its end
        stop_requested = stack.enter_context(preemption.watched())  # until all is written, so it is left last
        saved = Checkpoints(checkpoints or Path(workdir) / "checkpoints")
        stack.enter_context(contextlib.closing(saved))
        if restored := saved.resume(state):
            state, status = restored[0], status | restored[1]  # an older checkpoint may lack what came later
        first = int(state.step)
        logger = stack.enter_context(contextlib.closing(log.Log(workdir, first)))
        bar = progress.bar(plan.steps * plan.batch, title=title, unit="images", start=first * plan.batch)
        stack.enter_context(bar)
        batches = threads.ahead(
            lambda step: parallel.put_batch(training(step)), range(first, plan.steps), workers=1, depth=2
        )
        run = _Run(plan, parallel, measures, saved, logger, bar, stop_requested)
        state, status = _train(state, train_step, status=status, batches=batches, run=run)
        saved.prune()
    result = {"best": status["best"], "best_step": status["best_step"], "seconds": status["seconds"]}
    return state, result | {"images_per_second": int(state.step) * plan.batch / max(status["seconds"], 1e-9)}


class _Run(NamedTuple):
    """What the steps of a run report to; see `fit`."""

    plan: Plan
    parallel: Parallel
    measures: Mapping[str, Callable[[TrainState], dict[str, float]]]
    saved: Checkpoints
    logger: log.Log
    bar: tqdm
    stop_requested: Callable[[], bool]

    def save(self, state: TrainState, status: dict[str, Any]) -> None:
        best = status["rating"] is not None and status["best_step"] == int(state.step)
        self.saved.save(self.parallel.put_state(state), best=best, progress=status)


def _train(
    state: TrainState, train_step: Callable, *, status: dict[str, Any], batches: Iterable[dict], run: _Run
) -> tuple[TrainState, dict[str, Any]]:
    """State and status after the last step, or after the last evaluation that the plan's patience allows."""
    plan, pending, start = run.plan, list(status["pending"]), time.perf_counter() - status["seconds"]
    if not (plan.steps or status["best"]):
        status = _evaluate(state, status, step=0, run=run)
        run.save(state, status)
    for step, batch in enumerate(batches, start=int(state.step) + 1):
        if plan.patience and status["stale"] >= plan.patience:
            break
        with jax.transfer_guard("disallow"):
            state, sums = train_step(state, batch)
        pending.append(sums)
        run.bar.update(plan.batch)
        evaluates = step == plan.steps or step % plan.eval_every == 0
        if evaluates or step % plan.log_every == 0:
            row = _drain(pending, step)
            run.logger.write(step, row)
            run.bar.set_postfix(loss=f"{row['train/loss']:.3f}", refresh=False)
        if evaluates:
            status = _evaluate(state, status, step=step, run=run)
        stopping = run.stop_requested()  # each host asks once a step, after what takes long
        if not (evaluates or stopping):
            continue
        if not evaluates:
            _expect_finite(state, step)
        # The run that goes on logs what the log does not have yet, as if this one had never ended.
        status |= {"seconds": time.perf_counter() - start, "pending": jax.tree.map(float, _fetch(pending, step))}
        run.save(state, status)
        if stopping:
            raise errors.PreemptedError(f"asked to end at step {step} of {plan.steps}, which is saved")
    return state, status


def _evaluate(state: TrainState, status: dict[str, Any], *, step: int, run: _Run) -> dict[str, Any]:
    """Status after an evaluation, which is logged."""
    _expect_finite(state, step)
    results = {name: measure(state) for name, measure in run.measures.items()}
    rating = results["valid"].get(run.plan.best, float(step if run.plan.maximise else -step))
    for name, values in results.items():
        run.logger.write(step, {f"{name}/{key}": value for key, value in values.items()})
    return _rate(status, results["valid"], rating=rating, step=step, maximise=run.plan.maximise)


def evaluate(
    eval_step: Callable, state: TrainState, *, batches: Iterable[dict], parallel: Parallel
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Metrics over all batches, and (N, ...) predictions of every row that is not padding.

    Sums are added in float64 on the host, so the means do not depend on how the rows were batched.
    """
    sums: dict[str, np.ndarray] = {}
    predictions: list[dict[str, np.ndarray]] = []
    for rows in threads.ahead(parallel.put_batch, batches, workers=1, depth=2):
        batch_sums, predicted = eval_step(state, rows)
        gathered = parallel.gather({**predicted, "mask": rows["mask"]})
        valid = gathered.pop("mask") > 0
        predictions.append({name: value[valid] for name, value in gathered.items()})
        for name, pair in jax.device_get(batch_sums).items():
            sums[name] = sums.get(name, 0) + np.asarray(pair, np.float64)
    names = predictions[0] if predictions else ()
    return metrics.means(sums), {name: np.concatenate([p[name] for p in predictions]) for name in names}


def _drain(pending: list, step: int) -> dict[str, float]:
    """Means of the waiting steps' metrics, which are fetched only here."""
    rows = _fetch(pending, step)
    pending.clear()
    names = rows[0]
    return metrics.means({f"train/{n}": np.sum([row[n] for row in rows], axis=0, dtype=np.float64) for n in names})


def _fetch(pending: list, step: int) -> list[dict[str, Any]]:
    """Metrics of the steps up to this one on the host; a loss or gradient that is not finite names its step."""
    rows = jax.device_get(pending)
    for i, row in enumerate(rows, start=step - len(rows) + 1):
        for name in ("loss", "gradient_norm"):
            if not math.isfinite(row[name][0]):
                raise errors.InputError(f"the {name.replace('_', ' ')} at step {i} is {row[name][0]}: {MEND}")
    return rows


@jax.jit
def _finite(state: TrainState) -> jax.Array:
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((state.params, state.batch_stats))]).all()


def _expect_finite(state: TrainState, step: int) -> None:
    """Raises InputError where a parameter or running average is not finite: it is neither measured nor saved."""
    if not _finite(state):
        raise errors.InputError(f"parameters after step {step} are not finite: {MEND}")


def _rate(
    status: dict[str, Any], metrics: dict[str, float], *, rating: float, step: int, maximise: bool
) -> dict[str, Any]:
    """Status after an evaluation: is this the best one so far? Of equals it is the last.

    A rating that is not finite is better than none, for its metrics must stand somewhere. Its state is no best one.
    """
    best, rated = status["rating"], math.isfinite(rating)
    better = rated and (best is None or (rating > best if maximise else rating < best))
    stale = 0 if better else status["stale"] + 1
    if better or rating == best or best is None:
        rating = rating if rated else None
        return {**status, "best": metrics, "best_step": step, "rating": rating, "stale": stale}
    return {**status, "stale": stale}
