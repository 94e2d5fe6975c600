"""From a name in a config to what it means: tables of models, tasks, losses, metrics and programs."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from whale_jax.runtime import errors


class Registry(dict[str, Any]):
    """A table that grows: name -> entry. A package has one, and `register` is its one call.

    MODELS = registry.Registry("model", vgg=VGG, resnet=ResNet)
    register = MODELS.register
    """

    def __init__(self, kind: str, **entries: Any):
        """`kind` says in messages what the entries are: "model", "task"."""
        super().__init__(entries)
        self.kind = kind

    def register(self, name: str, entry: Any) -> None:
        """Adds an entry. A name that already means another one raises ValueError."""
        if name in self and self[name] is not entry:
            raise ValueError(f"{self.kind} {name!r} is registered already, as {self[name]!r}: choose another name")
        self[name] = entry


def lookup(kind: str, table: Mapping[str, Any], name: str) -> Any:
    """The entry called `name`. An unknown name raises InputError with the close matches."""
    if name not in table:
        raise errors.unknown(kind, name, table)
    return table[name]


def function(kind: str, table: Mapping[str, Callable], name: str, *, reads: Sequence[str], **options: Any) -> Callable:
    """The function called `name`, once its first arguments are found to be `reads`.

    Args:
        kind: what it is, for the error message ("loss", "metric").
        table: name -> function.
        name: which one.
        reads: names that its first arguments must have, so that a loss of labels is not given boxes.
        **options: keyword arguments of all calls.

    Returns:
        The function with its options bound. Other arguments, or an option it does not take, raise InputError.
    """
    entry = lookup(kind, table, name)
    parameters = tuple(inspect.signature(entry).parameters)
    if parameters[: len(reads)] != tuple(reads):
        message = f"the {kind} {name!r} reads {', '.join(parameters)}, and here it is given {', '.join(reads)}"
        raise errors.InputError(f"{message}: choose one that reads these")
    for key in options:
        if key not in parameters:
            raise errors.unknown(f"option of the {kind} {name!r}", key, parameters[len(reads) :])
    return partial(entry, **options) if options else entry


def build(kind: str, table: Mapping[str, Callable], spec: Mapping[str, Any], **fixed: Any) -> Any:
    """Calls the entry that `spec.name` means with the rest of `spec` as keyword arguments.

    Args:
        kind: of the entries, for the error message ("model", "task").
        table: name -> callable.
        spec: a config with `name` and arguments of the callable.
        **fixed: arguments that the config does not choose.

    Returns:
        What the callable returns. A key it does not take, one that is fixed, or one that is missing raises InputError.
    """
    arguments = {key: _plain(value) for key, value in spec.items() if key != "name"}
    function = lookup(kind, table, spec["name"])
    signature = inspect.signature(function)
    choices = [name for name in signature.parameters if name not in fixed]
    for key, value in arguments.items():  # a default of what is not to be chosen may have been written down
        if key not in choices and (key not in fixed or value != signature.parameters[key].default):
            raise errors.unknown(f"key of {kind} {spec['name']!r}", key, choices)
    arguments |= fixed
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise errors.InputError(f"config of {kind} {spec['name']!r}: {error}") from None
    return function(**arguments)


def complete(kind: str, table: Mapping[str, Callable], spec: Mapping[str, Any]) -> dict[str, Any]:
    """`spec` with the entry's defaults, but None, for the keys it leaves open, so that a config shows them."""
    parameters = inspect.signature(lookup(kind, table, spec["name"])).parameters.values()
    plain = {p.name: p.default for p in parameters if isinstance(p.default, bool | int | float | str | tuple)}
    return {**plain, **spec}


def _plain(value: Any) -> Any:
    """Lists become tuples, so that modules stay hashable."""
    return tuple(_plain(v) for v in value) if isinstance(value, list | tuple) else value
