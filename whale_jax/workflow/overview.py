"""The text of --help, the close matches of an unknown key, and the results that a run names at its end."""

import ast
import difflib
import importlib
import inspect
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from ml_collections import ConfigDict

from whale_jax.runtime import errors, storage

WIDTH, COLUMN = 110, 26  # characters of a line, and of its column of flags
FOLDER = Path("configs")  # within the current folder
SHOWN = 6  # stages that are named, at most, where many have a key
RESULTS = ("table.md", "*/table.md", "submission.csv", "*/submission.csv", "*/likeliest.csv", "aligned/points.csv")
RESULTS += ("catalogue.csv", "catalogue.html", "identified/candidates.csv", "identified/encounters.csv")
RESULTS += ("identified/report.html",)
HELP = """
usage: python -m whale_jax.main --config=configs/NAME.py[:PRESET] --workdir=runs/NAME [--config.KEY=VALUE ...]

examples:
  python -m whale_jax.main --config=configs/demo.py --workdir=runs/demo
  python -m whale_jax.main --config=configs/pipeline.py:small --config.data.root=DIR --workdir=runs/small
  python -m whale_jax.main --config=configs/classifier.py:vgg19_128 --print_config

keys of a config, with a dot for each level:
  --config.data.root=DIR                the folder of photos
  --config.epochs=4                     a key of a training
  --config.optimizer.lr=1e-4            a key of its optimizer
  --config.stages.NAME.epochs=4         a key of a stage of a pipeline
--print_config lists all keys of a config with their values, and so does config.json in the folder of a run.
"""
CONFIGS = """
configs, each with its presets; without a preset, the first one is taken:
"""
NO_CONFIGS = """
configs: not in this folder; {advice}.
"""


def next_step(workdir: Path) -> str:
    """What a person does with the results of a run; "" where that is not known."""
    if not (workdir / "identified" / storage.RESULT).exists():
        return ""
    flags = shlex.join([f"--config=configs/review.py:{workdir}", f"--workdir={workdir / 'review'}"])
    return f"decide who is on these photos, in a browser:\n  python -m whale_jax.main {flags}"


def help_text(flags: Mapping[str, str]) -> str:
    """How to use the program: the command, every config with its presets, and the flags, name -> description."""
    files = sorted(FOLDER.rglob("*.py"), key=lambda path: (len(path.parts), path))
    lines = [line for path in files for line in describe(path)]
    configs = CONFIGS + "\n".join(lines) + "\n" if lines else NO_CONFIGS.format(advice=advice())
    return HELP + configs + "\nflags:\n" + "\n".join(line for name in flags for line in columns(name, flags[name]))


def columns(name: str, description: str) -> list[str]:
    """Lines on a flag: its name on the left, its description on the right."""
    lines = textwrap.wrap(description, WIDTH - COLUMN)
    return [f"{label:<{COLUMN}}{line}" for label, line in zip([f"  --{name}", *[""] * len(lines)], lines, strict=False)]


def advice() -> str:
    """How a person who stands in a folder without configs finds them."""
    checkout = Path(__file__).parents[2]
    if (checkout / FOLDER).is_dir():
        return f"run the command in {checkout}"
    return "clone the repository, which has them (pip does not install them), and run the command in it"


def describe(path: Path) -> Iterator[str]:
    """Lines on a config: its purpose, and what may follow its name. A file that is no config gives none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not any(isinstance(node, ast.FunctionDef) and node.name == "get_config" for node in tree.body):
        return
    module = importlib.import_module(".".join(path.with_suffix("").parts))
    default = next((each.default for each in inspect.signature(module.get_config).parameters.values()), "")
    presets = sorted(getattr(module, "PRESETS", ()), key=lambda preset: preset != default)
    yield f"  {path}" + (f":{default}" if default and not presets else "")  # such as the folder of a finished run
    yield f"      {ast.get_docstring(tree).splitlines()[0]}"
    words = " ".join(f":{preset}" for preset in presets)
    yield from textwrap.wrap(words, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)


def unknown_key(config: ConfigDict, key: str) -> errors.InputError:
    """The error for a key that a config lacks. It names the places of keys with that name, or a similar one."""
    hint = " or ".join(f"--config.{place}" for place in places(config, key))
    return errors.InputError(f"unknown config key {key!r}: {f'did you mean {hint}?' if hint else 'see --help'}")


def places(config: ConfigDict, key: str) -> list[str]:
    """Paths of a config's keys with that name, or a similar one; "stages.NAME.epochs" stands for all stages."""
    stages: dict[str, list[str]] = {}
    for path in paths(config):
        general = re.sub(r"^stages\.[^.]+\.", "stages.NAME.", path)
        stages.setdefault(general, []).append(path.split(".")[1] if general != path else "")
    names = {path.rpartition(".")[2] for path in stages}
    close = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
    return [
        f"{path}, NAME being {' or '.join(of[:SHOWN])}{' ...' if len(of) > SHOWN else ''}" if of[0] else path
        for path, of in stages.items()
        if path.rpartition(".")[2] in close
    ]


def paths(config: Mapping | ConfigDict, prefix: str = "") -> Iterator[str]:
    """The path of every key of a config, at every level."""
    for key, value in config.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping | ConfigDict):
            yield from paths(value, f"{prefix}{key}.")


def results(workdir: Path) -> list[Path]:
    """The files of a finished run that people read first, or its result.json where it has none of them."""
    return [path for name in RESULTS for path in sorted(workdir.glob(name))] or [workdir / "result.json"]
