"""From a name in a config to the module or function that it means."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from whale_jax.runtime import errors


def lookup(what: str, table: Mapping[str, Any], name: str) -> Any:
    """The entry called `name`; an unknown name raises InputError with the close matches."""
    if name not in table:
        raise errors.unknown(what, name, table)
    return table[name]


def build(what: str, table: Mapping[str, Callable], spec: Mapping[str, Any], **more: Any) -> Any:
    """Calls the entry that `spec.name` means with the rest of `spec` as keyword arguments.

    Args:
        what: what is being built, for the error message ("model", "task").
        table: name -> callable.
        spec: a config with `name` and arguments of the callable.
        **more: arguments that are not the config's to choose; they win over `spec`.

    Returns:
        What the callable returns. A key it does not take, or one that is missing, raises InputError.
    """
    arguments = {key: _plain(value) for key, value in spec.items() if key != "name"}
    function = lookup(what, table, spec["name"])
    signature = inspect.signature(function)
    for key in arguments:
        if key not in signature.parameters:
            raise errors.unknown(f"key of {what} {spec['name']!r}", key, signature.parameters)
    arguments |= more
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise errors.InputError(f"config of {what} {spec['name']!r}: {error}") from None
    return function(**arguments)


def complete(what: str, table: Mapping[str, Callable], spec: Mapping[str, Any]) -> dict[str, Any]:
    """`spec` with the defaults of what it leaves open, so that a config shows every number that can be set."""
    parameters = inspect.signature(lookup(what, table, spec["name"])).parameters.values()
    plain = {p.name: p.default for p in parameters if isinstance(p.default, bool | int | float | str | tuple)}
    return {**plain, **spec}


def _plain(value: Any) -> Any:
    """Lists become tuples, so that modules stay hashable."""
    return tuple(_plain(v) for v in value) if isinstance(value, list | tuple) else value
