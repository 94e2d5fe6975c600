"""Optimisers, schedules and groups of parameters, from a config."""

import difflib
import inspect
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import optax

from whale_jax.runtime import errors, registry

Groups = Sequence[tuple[str, Mapping[str, Any]]]

# Optax's optimisers that take a schedule, and need a gradient and parameters alone.
RULES = {
    **{name: getattr(optax, name) for name in ("adabelief", "adadelta", "adafactor", "adagrad", "adam", "adamax")},
    **{name: getattr(optax, name) for name in ("adamaxw", "adamw", "adan", "amsgrad", "lamb", "lars", "lion")},
    **{name: getattr(optax, name) for name in ("novograd", "radam", "rmsprop", "sgd", "signum", "yogi")},
    "nadam": partial(optax.adam, nesterov=True),
    "nadamw": partial(optax.adamw, nesterov=True),
    "nesterov": partial(optax.sgd, momentum=0.9, nesterov=True),
}
MASKS = ("mask", "weight_decay_mask")  # what optax calls the parameters that decay
OPTIONS = ("lr", "weight_decay", "frozen")  # of a group
REST = ""  # stands for the pattern of the parameters that are in no group


def optimizer(
    *,
    name: str = "adam",
    lr: float,
    end_lr: float | None = None,
    schedule: str = "constant",
    warmup: float = 0.0,
    l2: float = 0.0,
    weight_decay: float = 0.0,
    clip: float = 0.0,
    groups: Groups = (),
    steps: int,
    **arguments: Any,
) -> optax.GradientTransformation:
    """An optimiser of optax with a schedule, penalties on kernels, and groups of parameters with rates of their own.

    Args:
        name: one of RULES, which are optax's names; "nesterov" is its "sgd" with a Nesterov momentum of 0.9.
        lr: the highest learning rate.
        end_lr: the last learning rate of a schedule that falls; None is lr / 100.
        schedule: "constant", "linear" or "cosine".
        warmup: share of all steps over which the learning rate rises from 0.
        l2: the post's penalty, l2 x sum of squared kernels, added to the loss: its gradient goes through the optimiser.
        weight_decay: how fast kernels shrink (Loshchilov & Hutter, arXiv:1711.05101). Optax's optimiser applies it
            where it can; where it cannot, it is added to what the optimiser returns. 0 unless a config sets it.
        clip: largest global norm of a gradient; 0 for no bound.
        groups: ((pattern, options), ...) as in big_vision. A pattern is a regular expression for the whole path of a
            parameter, such as "localizer/.*" (`re.fullmatch`); the first that matches decides. Options are "lr" and
            "weight_decay", which multiply the optimiser's own, and "frozen": True for parameters that stay as they are,
            which the clip leaves out of the norm (see also `frozen_modules`).
        steps: length of the run.
        **arguments: of optax's optimiser by its names, such as b1, b2, eps, momentum. None is optax's default.

    Raises:
        InputError: an unknown name, argument or option, or a pattern that cannot be read; from `init`, a pattern
            without a parameter.
    """
    make, rate = _rule(name, arguments), learning_rate(lr, end_lr, schedule=schedule, warmup=warmup, steps=steps)
    clipped = optax.clip_by_global_norm(clip) if clip else optax.identity()
    rule = _decaying(make, rate, weight_decay)
    if groups:
        _check(groups)
        rules = {pattern: _of_group(make, rate, weight_decay, **options) for pattern, options in groups}
        rule = optax.partition({**rules, REST: rule}, partial(_patterns, groups))
        clipped = optax.masked(clipped, lambda params: jax.tree.map(operator.not_, frozen(groups, params)))
    decayed = optax.add_decayed_weights(2 * l2, mask=kernels) if l2 else optax.identity()
    return optax.chain(clipped, decayed, rule)


def learning_rate(lr: float, end_lr: float | None, *, schedule: str, warmup: float, steps: int) -> optax.Schedule:
    """Step -> learning rate; see `optimizer`."""
    if schedule == "constant" and end_lr is not None:
        raise errors.InputError("optimizer.end_lr is of a schedule that falls: set optimizer.schedule to one")
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


def kernels(params: Any) -> Any:
    """True at the kernels of convolutions and dense layers, False at biases and normalisation."""
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)


def frozen(groups: Groups, params: Any) -> Any:
    """True at the parameters of frozen groups, False at all others: a tree as `params` is."""
    options = dict(groups)
    return jax.tree.map(lambda pattern: options.get(pattern, {}).get("frozen", False), _patterns(groups, params))


def frozen_modules(groups: Groups, params: Any) -> frozenset[tuple[str, ...]]:
    """Paths of the modules that have parameters, all of them frozen: a step runs these as in an evaluation."""
    trained: dict[tuple[str, ...], bool] = {}
    for path, still in jax.tree_util.tree_leaves_with_path(frozen(groups, params)):
        names = tuple(entry.key for entry in path)
        for depth in range(len(names)):
            trained[names[:depth]] = trained.get(names[:depth], False) or not still
    return frozenset(path for path, moves in trained.items() if not moves)


def _rule(name: str, arguments: Mapping[str, Any]) -> Callable[..., optax.GradientTransformation]:
    """Optax's optimiser of that name with its own arguments."""
    rule = registry.lookup("optimizer", RULES, name)
    for key in arguments:
        if key not in _arguments(rule):
            raise errors.unknown(f"key of optimizer {name!r}", key, _arguments(rule))
    return partial(rule, **{key: value for key, value in arguments.items() if value is not None})


def _arguments(rule: Callable) -> list[str]:
    """The arguments of one of RULES that a config may set by optax's names."""
    return [key for key in inspect.signature(rule).parameters if key not in ("learning_rate", "weight_decay", *MASKS)]


def _decaying(make: Callable, rate: optax.Schedule, weight_decay: float) -> optax.GradientTransformation:
    """One of RULES by a schedule, which shrinks kernels too."""
    parameters = inspect.signature(make).parameters
    masks = {key: kernels for key in MASKS if key in parameters}
    if masks and "weight_decay" in parameters:
        return make(rate, weight_decay=weight_decay, **masks)
    if not weight_decay:
        return make(rate)
    # The schedule scales what the optimiser returns at a rate of 1, which points downhill already, and the decay.
    shrink = optax.add_decayed_weights(-weight_decay, mask=kernels)
    return optax.chain(make(1.0), shrink, optax.scale_by_schedule(rate))


def _of_group(
    make: Callable,
    rate: optax.Schedule,
    decay: float,
    *,
    lr: float = 1.0,
    weight_decay: float = 1.0,
    frozen: bool = False,
) -> optax.GradientTransformation:
    """The optimiser of one group; `lr` and `weight_decay` multiply the others'."""
    return optax.set_to_zero() if frozen else _decaying(make, lambda step: lr * rate(step), decay * weight_decay)


def _check(groups: Groups) -> None:
    """Raises InputError for a group that is no (pattern, options), or whose options are unknown."""
    for group in groups:
        try:
            pattern, options = group
            re.compile(pattern)
            keys = options.keys()
        except (TypeError, ValueError, AttributeError, re.error) as error:
            example = '("localizer/.*", {"lr": 0.1})'
            raise errors.InputError(
                f"optimizer.groups has {group!r}, which is none ({error}): write {example}"
            ) from None
        if unknown := sorted(keys - set(OPTIONS)):
            raise errors.unknown(f"option of the group {pattern!r} in optimizer.groups", unknown[0], OPTIONS)
        if sum(pattern == other for other, _ in groups) > 1:
            raise errors.InputError(f"optimizer.groups has {pattern!r} twice: join their options")


def _patterns(groups: Groups, params: Any) -> Any:
    """The pattern of each parameter's group, or REST; a pattern that no parameter is left for is an InputError."""

    def first(path: tuple, _: Any) -> str:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return next((pattern for pattern, _ in groups if re.fullmatch(pattern, name)), REST)

    tree = jax.tree_util.tree_map_with_path(first, params)
    for pattern, _ in groups:
        if pattern not in jax.tree.leaves(tree):
            raise errors.InputError(_unmatched(pattern, params))
    return tree


def _unmatched(pattern: str, params: Any) -> str:
    """What a person is told of a pattern without a parameter."""
    paths = [tuple(entry.key for entry in path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    if any(re.fullmatch(pattern, "/".join(path)) for path in paths):
        return f"all that {pattern!r} in optimizer.groups matches is in an earlier group: put it before that one"
    modules = {"/".join([*path[:depth], ".*"]) for path in paths for depth in range(1, len(path))}
    close = difflib.get_close_matches(pattern, [*sorted(modules), *map("/".join, paths)], n=3, cutoff=0.4)
    near = close or sorted({f"{path[0]}/.*" for path in paths})
    return f"{pattern!r} in optimizer.groups matches no parameter: the nearest are {', '.join(near)}"


def _named(name: str) -> Callable[..., optax.GradientTransformation]:
    """`optimizer` of that name, whose signature has the arguments of its rule."""
    make = partial(optimizer, name=name)
    shared = [p for p in inspect.signature(optimizer).parameters.values() if p.kind is p.KEYWORD_ONLY]
    special = [inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None) for key in _arguments(RULES[name])]
    make.__signature__ = inspect.Signature([*(p for p in shared if p.name != "name"), *special])
    return make


OPTIMIZERS = {name: _named(name) for name in RULES}
