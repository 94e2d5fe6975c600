"""Optimisers and schedules of the post, from a config."""

from functools import partial
from typing import Any

import jax
import optax

from whale_jax.runtime import errors, registry

NAMES = ("adam", "nesterov")


def optimizer(
    *,
    name: str = "adam",
    lr: float,
    end_lr: float | None = None,
    schedule: str = "constant",
    warmup: float = 0.0,
    momentum: float = 0.9,
    l2: float = 0.0,
    weight_decay: float = 0.0,
    clip: float = 0.0,
    part: str = "",
    part_rate: float = 1.0,
    steps: int,
) -> optax.GradientTransformation:
    """An optimiser.

    Args:
        name: "adam" or "nesterov".
        lr: learning rate at its highest.
        end_lr: the last one, for the schedules that fall; lr / 100 if not given.
        schedule: "constant", "linear" or "cosine".
        warmup: share of all steps over which the learning rate rises from 0.
        momentum: of nesterov.
        l2: the post's penalty, l2 x sum of squared kernels, added to the loss: its gradient goes through the optimiser.
        weight_decay: shrinks kernels directly, past the optimiser (Loshchilov & Hutter, arXiv:1711.05101).
        clip: largest global norm of a gradient; 0 for no bound.
        part: name of a part of the network with a rate of its own, such as a spatial transformer's "localizer".
        part_rate: that rate, as a share of the others'; 0 freezes it: `make_train_step` leaves all of it as it is.
        steps: length of the run.
    """
    rate = learning_rate(lr, end_lr, schedule=schedule, warmup=warmup, steps=steps)
    scale = registry.lookup(
        "optimizer",
        {"adam": optax.scale_by_adam, "nesterov": lambda: optax.trace(momentum, nesterov=True)},
        name,
    )
    return optax.chain(
        optax.clip_by_global_norm(clip) if clip else optax.identity(),
        optax.add_decayed_weights(2 * l2, mask=kernels) if l2 else optax.identity(),
        scale(),
        optax.add_decayed_weights(weight_decay, mask=kernels) if weight_decay else optax.identity(),
        *([optax.masked(optax.scale(part_rate), partial(inside, part))] if part else []),
        optax.scale_by_learning_rate(rate),
    )


def learning_rate(lr: float, end_lr: float | None, *, schedule: str, warmup: float, steps: int) -> optax.Schedule:
    """Step -> learning rate; see `optimizer`."""
    end = lr / 100 if end_lr is None else end_lr
    rise = round(warmup * steps)
    fall = max(steps - rise, 1)
    table = {
        "constant": lambda: optax.constant_schedule(lr),
        "linear": lambda: optax.linear_schedule(lr, end, fall),
        "cosine": lambda: optax.cosine_decay_schedule(lr, fall, alpha=end / lr if lr else 0),
    }
    after = registry.lookup("schedule", table, schedule)()
    return optax.join_schedules([optax.linear_schedule(0, lr, rise), after], [rise]) if rise else after


def inside(part: str, params: Any) -> Any:
    """True at what belongs to the part of that name; a name that no part has raises InputError."""
    if part not in params:
        raise errors.unknown("part of the network", part, params)
    return jax.tree_util.tree_map_with_path(lambda path, _: path[0].key == part, params)


def kernels(params: Any) -> Any:
    """True at the kernels of convolutions and dense layers, False at biases and normalisation."""
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)
