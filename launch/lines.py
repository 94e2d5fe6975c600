"""The lines of a sweep's runs.jsonl, a run each: planned from a grid, checked, and turned into flags."""

import functools
import importlib.util
import itertools
import json
import re
from ast import literal_eval
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from whale_jax.runtime import errors, storage
from whale_jax.workflow import overview, stage

FILE = "runs.jsonl"


class Line(NamedTuple):
    """A run of a sweep: the name of its folder, the config as the flag has it, and the keys that it changes."""

    name: str
    config: str
    overrides: dict[str, Any]


def read(sweep: Path) -> list[Line]:
    """The runs of a sweep. A line of another form raises InputError."""
    path = sweep / FILE
    if not path.is_file():
        raise errors.InputError(f"{sweep} is no sweep (no {FILE}): plan it first")
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            lines.append(Line(**json.loads(text)))
        except (ValueError, TypeError) as error:
            form = '{"name": ..., "config": ..., "overrides": {...}}'
            raise errors.InputError(f"{path}, line {number} is not {form}: {error}") from None
    return lines


def plan(sweep: Path, config: str, *, changes: Iterable[dict[str, Any]]) -> list[Line]:
    """Adds a line for each of `changes` that the sweep lacks, once all their configs are built and checked."""
    lines = read(sweep) if (sweep / FILE).exists() else []
    planned = [(line.config, line.overrides) for line in lines]
    new = [overrides for overrides in changes if (config, overrides) not in planned]
    varied = varied_keys([*(overrides for _, overrides in planned), *new])
    for overrides in new:
        changed = {key: value for key, value in overrides.items() if key in varied}
        line = Line(folder_name(len(lines), changed), config, overrides)
        check(line)
        lines.append(line)
    sweep.mkdir(parents=True, exist_ok=True)
    storage.write_text(sweep / FILE, "".join(json.dumps(line._asdict()) + "\n" for line in lines))
    return lines


def varied_keys(overrides: Sequence[dict[str, Any]]) -> set[str]:
    """The keys that do not have the same value in all of `overrides`."""
    keys = {key for changes in overrides for key in changes}
    return {key for key in keys if any(changes.get(key) != overrides[0].get(key) for changes in overrides)}


def folder_name(number: int, changes: dict[str, Any]) -> str:
    """Such as "003_lr=0.1_seed=2"."""
    words = [f"{key.rpartition('.')[2]}={value}" for key, value in changes.items()]
    return "_".join([f"{number:03d}", *(re.sub(r"[^\w.+=-]+", "-", word) for word in words)])


def check(line: Line) -> None:
    """Raises InputError for a config file or a key that does not exist, or for what the program has against a value."""
    path, colon, argument = line.config.partition(":")
    if not Path(path).is_file():
        raise errors.InputError(f"run {line.name}: there is no config {path}")
    config: ConfigDict = module_of(path).get_config(*[argument] * bool(colon)).lock()
    try:
        for key in line.overrides:
            expect(key, config)
        config.update_from_flattened_dict(line.overrides)
        stage.check(config)
    except (TypeError, ValueError, errors.InputError) as error:
        raise errors.InputError(f"run {line.name}: {error.args[0]}") from None


@functools.cache
def module_of(path: str) -> ModuleType:
    """The module in a config file, which is read once: it may register models and tasks of its own."""
    spec = importlib.util.spec_from_file_location("swept", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expect(key: str, config: ConfigDict) -> None:
    """Raises InputError for a key, such as "optimizer.lr", that a config lacks."""
    level: Any = config
    for name in key.split("."):
        if not isinstance(level, ConfigDict) or name not in level:
            raise overview.unknown_key(config, name)
        level = level[name]


def flags(line: Line) -> list[str]:
    """The flags of a run for whale_jax.main, all but --workdir."""
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in line.overrides.items()}
    return [f"--config={line.config}", *(f"--config.{key}={value}" for key, value in values.items())]


def grid(fixed: Sequence[str], varied: Sequence[str], *, table: Path | None = None) -> list[dict[str, Any]]:
    """The changes of each run of a grid.

    Args:
        fixed: "key=value" of all runs.
        varied: "key=value,value"; the grid has every combination.
        table: a file with a line "key=value key=value" for each run; the grid is repeated for every line.
    """
    base = dict(pair(text) for text in fixed)
    rows = [{}]
    if table:
        texts = table.read_text(encoding="utf-8").splitlines()
        rows = [dict(pair(word) for word in text.split()) for text in texts if text.strip()]
    axes = []
    for key, values in map(halves, varied):
        axes.append([(key, parse(value)) for value in re.findall(r"(?:\([^)]*\)|[^,])+", values)])  # (1,2) is a value
    return [base | row | dict(point) for row in rows for point in itertools.product(*axes)]


def pair(text: str) -> tuple[str, Any]:
    """Key and value of "key=value"."""
    key, value = halves(text)
    return key, parse(value)


def halves(text: str) -> tuple[str, str]:
    """What stands before and after "="."""
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise errors.InputError(f"{text!r} is not key=value, such as optimizer.lr=0.01")
    return key, value


def parse(text: str) -> Any:
    """A value as Python and JSON have it, such as 0.1 or [1, 2] for "(1,2)"; any other text as it is."""
    try:
        return json.loads(json.dumps(literal_eval(text)))  # as it is read again
    except (ValueError, SyntaxError, TypeError):
        return text
