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
        steps: number of steps.
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
    what: str = "train",
) -> tuple[TrainState, dict[str, Any]]:
    """Trains until `plan` is done, going on from the last checkpoint if there is one.

    Args:
        state: the first state.
        train_step: compiled (state, batch) -> (state, metrics).
        plan: see Plan.
        parallel: puts states and batches on the devices.
        training: step -> batch on the host.
        measures: state -> metrics of an evaluation, by what the log calls them. "valid" says which state is the best;
            without `plan.best` among its metrics, the last one is.
        workdir: for logs.
        checkpoints: where they are kept; None is inside `workdir`.
        what: title of the progress bar.

    Returns:
        The last state, and {"best": metrics of the best one, "best_step", "seconds", "images_per_second"}; the seconds
        are those of compiling and evaluating too.

    Raises:
        InputError: a loss, gradient or parameter is not finite; names the step.
        PreemptedError: the process was asked to end, and the last step is saved.
    """
    state = parallel.put_state(state)
    status = {"seconds": 0.0, "best": {}, "best_step": 0, "rating": None, "stale": 0, "pending": []}
    with contextlib.ExitStack() as stack:  # whatever happens, what was measured and saved is written to its end
        stop_requested = stack.enter_context(preemption.watched())  # until all is written, so it is left last
        folder = checkpoints or Path(workdir) / "checkpoints"
        saved = Checkpoints(folder, maximise=plan.maximise)
        stack.enter_context(contextlib.closing(saved))
        if restored := saved.resume(state):
            state, status = restored[0], status | restored[1]  # an older checkpoint may lack what came later
        first = int(state.step)
        logger = stack.enter_context(contextlib.closing(log.Log(workdir, first)))
        bar = progress.bar(plan.steps * plan.batch, title=what, unit="images", start=first * plan.batch)
        stack.enter_context(bar)
        pending, began = list(status["pending"]), time.perf_counter() - status["seconds"]
        batches = threads.ahead(
            lambda step: parallel.put_batch(training(step)), range(first, plan.steps), workers=1, depth=2
        )
        for step, batch in enumerate(batches, start=first + 1):
            if _stale(status, plan):
                break
            with jax.transfer_guard("disallow"):
                state, sums = train_step(state, batch)
            pending.append(sums)
            bar.update(plan.batch)
            evaluates = step == plan.steps or step % plan.eval_every == 0
            if evaluates or step % plan.log_every == 0:
                row = _drain(pending, step)
                logger.write(step, row)
                bar.set_postfix(loss=f"{row['train/loss']:.3f}", refresh=False)
            rating = None
            if evaluates:
                _expect_finite(state, step)
                results = {name: measure(state) for name, measure in measures.items()}
                rating = results["valid"].get(plan.best, float(step if plan.maximise else -step))
                status = _rate(status, results["valid"], rating, step, plan)
                for name, values in results.items():
                    logger.write(step, {f"{name}/{key}": value for key, value in values.items()})
            stopping = stop_requested()  # each host asks once a step, after what takes long
            if not evaluates:
                if not stopping:
                    continue
                _expect_finite(state, step)
            # What the log has not seen yet is said by the run that goes on, as if it had never ended.
            status |= {"seconds": time.perf_counter() - began, "pending": jax.tree.map(float, _fetch(pending, step))}
            saved.save(parallel.put_state(state), rating, progress=status)
            if stopping:
                raise errors.PreemptedError(f"asked to end at step {step} of {plan.steps}, which is saved")
        saved.prune()
    result = {"best": status["best"], "best_step": status["best_step"], "seconds": status["seconds"]}
    return state, result | {"images_per_second": int(state.step) * plan.batch / max(status["seconds"], 1e-9)}


def evaluate(
    eval_step: Callable, state: TrainState, batches: Iterable[dict], *, parallel: Parallel
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Metrics over all batches, and predictions of every row that is not padding.

    Sums are added in float64 on the host, so the means do not depend on how the rows were batched.
    """
    sums: dict[str, np.ndarray] = {}
    predictions: list[dict[str, np.ndarray]] = []
    for rows in threads.ahead(parallel.put_batch, batches, workers=1, depth=2):
        found, predicted = eval_step(state, rows)
        whole = parallel.gather({**predicted, "mask": rows["mask"]})
        keep = whole.pop("mask") > 0
        predictions.append({name: value[keep] for name, value in whole.items()})
        for name, pair in jax.device_get(found).items():
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


def _rate(status: dict, metrics: dict[str, float], rating: float, step: int, plan: Plan) -> dict:
    """Status after an evaluation: is this the best one so far? Of equals it is the last, as it is of checkpoints.

    A rating that is not finite is better than none, for its metrics must stand somewhere.
    """
    old, rated = status["rating"], math.isfinite(rating)
    better = rated and (old is None or (rating > old if plan.maximise else rating < old))
    stale = 0 if better else status["stale"] + 1
    if better or rating == old or old is None:
        rating = rating if rated else None
        return {**status, "best": metrics, "best_step": step, "rating": rating, "stale": stale}
    return {**status, "stale": stale}


def _stale(status: dict, plan: Plan) -> bool:
    return bool(plan.patience) and status["stale"] >= plan.patience
