"""One training step and one evaluation step, as pure functions for any number of devices.

The same body runs under jit with a sharded batch, where sums over the batch are global by themselves, and
under pmap with `axis_name`, where they are summed over devices: sums over sums, never a mean of means.
"""

import inspect
from collections.abc import Callable, Collection
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from whale_jax.evaluation.metrics import Metric, masked
from whale_jax.models import layers
from whale_jax.runtime import errors
from whale_jax.tasks.task import Batch, Outputs, Task
from whale_jax.train import optim
from whale_jax.train import state as states
from whale_jax.train.state import TrainState

MARKED = jax.checkpoint_policies.save_only_these_names(layers.SAVED)
Metrics = dict[str, Metric]


def make_train_step(
    model: nn.Module,
    task: Task,
    *,
    optimizer: optax.GradientTransformation,
    accumulate: int = 1,
    remat: bool = False,
    groups: optim.Groups = (),
) -> Callable:
    """The function (state, batch, *, axis_name=None) -> (state, {name: (sum, count)}).

    Args:
        model, task, optimizer: what learns what, and how.
        accumulate: microbatches that go through the network one after the other, for batches that do not fit. Each is
            normalised by itself, over all devices; gradient and metrics are those of the whole batch.
        remat: save only the activations that the model marks (`layers.saved`), and compute the others again for the
            gradient: less memory for about a third more work (Chen et al., arXiv:1604.06174).
        groups: as the optimiser has them. Modules whose parameters are all frozen act as in an evaluation, see
            `freeze`.
    """

    def train_step(state: TrainState, batch: Batch, *, axis_name: str | None = None) -> tuple[TrainState, Metrics]:
        batch = task.prepare(states.stream(state.seed, "augment", step=state.step), batch, True)
        dropout = states.stream(state.seed, "dropout", step=state.step)
        frozen = optim.frozen_modules(groups, state.params)
        total = jnp.maximum(_sum(batch["weight"].sum(), axis_name), 1e-9)

        def loss_fn(params, stats, rows, key):
            def forward(params, images):
                variables = {"params": params, "batch_stats": stats}
                with nn.intercept_methods(layers.across(axis_name)), nn.intercept_methods(freeze(frozen)):
                    return model.apply(variables, images, train=True, mutable=["batch_stats"], rngs={"dropout": key})

            outputs, updates = (jax.checkpoint(forward, policy=MARKED) if remat else forward)(params, rows["image"])
            rows = {**rows, "gallery": _gallery(outputs, rows, axis_name)} if task.pairwise else rows
            loss, weight = masked(task.loss(outputs, rows), rows["weight"])
            metrics = task.metrics(outputs, rows) if task.pairwise else {}
            return loss / total, ({"loss": (loss, weight), **metrics}, updates.get("batch_stats", {}))

        grad_fn, params, stats = jax.grad(loss_fn, has_aux=True), state.params, state.batch_stats
        gradients, (sums, stats) = grad_fn(params, stats, _microbatch(batch, 0, accumulate), dropout)
        for i in range(1, accumulate):
            # Not before the last microbatch is done, or all of them would be in memory at once.
            params, gradients = jax.lax.optimization_barrier((params, gradients))
            key = jax.random.fold_in(dropout, i)
            step_gradients, (step_sums, stats) = grad_fn(params, stats, _microbatch(batch, i, accumulate), key)
            gradients, sums = jax.tree.map(jnp.add, (gradients, sums), (step_gradients, step_sums))
        gradients, metrics = _sum((gradients, sums), axis_name)
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        metrics["gradient_norm"] = (optax.tree.norm(gradients), jnp.float32(1))
        params = optax.apply_updates(state.params, updates)
        return TrainState(state.step + 1, state.seed, params, stats, opt_state), metrics

    return train_step


def freeze(modules: Collection[tuple[str, ...]]) -> Callable:
    """A Flax interceptor by which modules of a network, given by their paths, act as in an evaluation.

    They normalise by their running averages, do not move them, and drop nothing out, whatever the rest does.
    """

    def intercept(method: Callable, args: tuple, kwargs: dict[str, Any], context: nn.module.InterceptorContext) -> Any:
        if context.module.path not in modules or context.method_name != "__call__":
            return method(*args, **kwargs)
        if isinstance(context.module, nn.BatchNorm):  # whoever made it has said already that this is a training
            object.__setattr__(context.module, "use_running_average", True)
        call = inspect.signature(method).bind(*args, **kwargs)
        if "train" in call.arguments:
            call.arguments["train"] = False
        return method(*call.args, **call.kwargs)

    return intercept


def make_eval_step(model: nn.Module, task: Task) -> Callable:
    """The function (state, batch, *, axis_name=None) -> ({name: (sum, count)}, {name: (B, ...)})."""

    def eval_step(state: TrainState, batch: Batch, *, axis_name: str | None = None) -> tuple[Metrics, dict[str, Any]]:
        batch = task.prepare(states.stream(state.seed, "evaluate"), batch, False)
        variables = {"params": state.params, "batch_stats": state.batch_stats}
        outputs = model.apply(variables, batch["image"], train=False)
        if task.pairwise:
            return {}, task.predict(outputs, batch)
        measured = task.metrics(outputs, batch)
        metrics = {"loss": masked(task.loss(outputs, batch), batch["weight"]), **measured}
        if measured and task.best not in metrics:
            raise errors.unknown("metric of the task that chooses the best weights", task.best, metrics)
        return _sum(metrics, axis_name), task.predict(outputs, batch)

    return eval_step


def _microbatch(batch: Batch, i: int, count: int) -> Batch:
    """Every `count`-th row from the i-th on, so that each device has its share of every microbatch."""
    if count == 1:
        return batch
    return {name: value.reshape(-1, count, *value.shape[1:])[:, i] for name, value in batch.items()}


def _gallery(outputs: Outputs, batch: Batch, axis_name: str | None) -> Batch:
    """What pairwise losses compare, of the global batch: under pmap from all devices, under jit it is whole already."""
    local = {"embedding": outputs[0], **{name: batch[name] for name in ("label", "index", "weight")}}
    return jax.lax.all_gather(local, axis_name, tiled=True) if axis_name else local


def _sum(tree: Any, axis_name: str | None) -> Any:
    return jax.lax.psum(tree, axis_name) if axis_name else tree
