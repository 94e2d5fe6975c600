"""No number is taken that cannot be meant, and none is forgotten."""

import inspect
import math
import typing

import pytest

from whale_jax.experiment import build
from whale_jax.runtime import errors
from whale_jax.workflow import program, ranges, stage

BUILT = {"size", "classes", "outputs", "dtype", "steps", "parent"}  # given by programs, not by configs
SPECS = [(kind, name) for kind, table in build.SPECS.items() for name in table]
DEFAULTS = [
    (name, path)
    for name in program.names()
    for path, value in ranges.values(program.find(name).defaults)
    if list(ranges.flat(value))
]


def holds_numbers(hint) -> bool:
    """Whether a type is that of a number, or of some."""
    return hint in (int, float, tuple) or any(map(holds_numbers, typing.get_args(hint)))


def numbers(kind, name):
    """The keys of a task, a model or an optimiser that take numbers."""
    function = getattr(build.SPECS[kind][name], "func", build.SPECS[kind][name])
    hints = typing.get_type_hints(function)
    keys = inspect.signature(function).parameters.keys() - BUILT - {"name"}
    return {key for key in keys if holds_numbers(hints.get(key))}


def outside(number_range):
    """Numbers that are not taken."""
    yield from (math.nan, math.inf, -math.inf)
    if math.isfinite(number_range.low):
        yield number_range.low if number_range.above else number_range.low - 1
    if math.isfinite(number_range.high):
        yield number_range.high if number_range.below else number_range.high + 1
    if number_range.whole:
        yield number_range.low + 0.5


def put(config, path, value):
    """The config with another value at the end of a path."""
    *parents, key = path.split(".")
    place = config
    for parent in parents:
        place = place[parent]
    with place.unlocked(), place.ignore_type():
        place[key] = value
    return config


@pytest.mark.parametrize(("name", "path"), DEFAULTS)
def test_every_number_of_a_program_has_a_range_and_its_default_lies_there(name, path):
    key = path.rpartition(".")[2]
    assert {key, f"{name}.{key}"} & ranges.RANGES.keys(), f"ranges.RANGES knows no {key!r}"
    config = stage.config(name)
    ranges.check(config)
    for number in outside(ranges.range_of(name, path)):
        wrong = (32, number) if isinstance(dict(ranges.values(config))[path], tuple) else number
        with pytest.raises(errors.InputError, match=f"config.{path} = .* must be "):
            stage.check(put(stage.config(name), path, wrong))


@pytest.mark.parametrize(("kind", "name"), SPECS)
def test_every_number_of_a_task_a_model_and_an_optimizer_has_a_range(kind, name):
    config = stage.config("train", **{kind: {"name": name}})
    ranges.check(config)
    keys = numbers(kind, name) | {path.split(".")[1] for path, value in ranges.values({kind: config[kind]})} - {"name"}
    for key in keys - {key for key, value in config[kind].items() if isinstance(value, bool | str)} - {"metrics"}:
        assert key in ranges.RANGES, f"ranges.RANGES knows no {key!r}"
        for number in outside(ranges.RANGES[key]):
            with pytest.raises(errors.InputError, match=rf"config\.{kind}\.{key} = .* must be "):
                stage.check(put(stage.config("train", **{kind: {"name": name}}), f"{kind}.{key}", number))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("optimizer.lr", -1.0, r"config.optimizer.lr = -1 must be 0 or more"),
        (
            "optimizer.groups",
            ((".*/bias", {"lr": -1.0}),),
            r"config.optimizer.groups.\.\*/bias.lr = -1 must be 0 or more",
        ),
        ("patience", -1, "config.patience = -1 must be a whole number, 0 or more"),
        ("seed", 2**40, "config.seed = 1099511627776 must be a whole number, from 0 to 4294967295"),
        ("epochs", math.nan, "config.epochs = nan must be from 0 to 1000000, and finite"),
        ("model.dropout", 2.0, "config.model.dropout = 2 must be from 0 to below 1"),
        ("size", (0, 32), r"config.size = \(0, 32\) must be two numbers, .* each a whole number, from 1 to 65535"),
        ("size", (32,), r"config.size = \(32,\) must be two numbers"),
    ],
)
def test_what_is_refused_is_told_with_what_may_be_and_leaves_no_trace(path, value, message, tmp_path):
    config = put(stage.config("train"), path, value)
    with pytest.raises(errors.InputError, match=message):
        stage.run(config, tmp_path / "run")
    pipeline = stage.config("pipeline", stages={"network": config})
    with pytest.raises(errors.InputError, match=f"stage network: {message}"):
        stage.run(pipeline, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_key_means_what_its_program_says():
    assert 0 in ranges.range_of("train", "num_subfolds")
    assert 1 not in ranges.range_of("crossfit", "num_subfolds")
    ranges.check({"program": "compare", "made_up": 3.5})
    with pytest.raises(errors.InputError, match=r"config.made_up = inf must be a finite number"):
        ranges.check({"program": "compare", "made_up": math.inf})
