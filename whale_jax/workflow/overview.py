"""What a person can ask for, and where they find what came of it."""

import ast
import difflib
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from ml_collections import ConfigDict

from whale_jax.runtime import errors

WIDTH = 110
SHOWN = 6  # stages that have a key, where many do
RESULTS = ("table.md", "*/table.md", "submission.csv", "*/submission.csv", "*/likeliest.csv", "aligned/points.csv")
HELP = """
usage: python -m whale_jax.main --config=configs/NAME.py:PRESET --workdir=runs/NAME [--config.KEY=VALUE ...]

A KEY is one of the config's: --config.epochs=4 of a training, --config.stages.NAME.epochs=4 of a stage of a pipeline,
with a dot for each level, as in --config.stages.aligned_classifier.optimizer.lr=1e-4. A folder of photos is
--config.data.root=DIR. config.json in the folder of a run, and of each of its stages, lists all keys with their values.

configs, from the repository's root, each with its presets, of which the first is taken where none is given:
"""


def help_text(root: Path = Path("configs")) -> str:
    """How the program is used: every config in the folder `root` with what it is for and its presets."""
    files = sorted(root.rglob("*.py"), key=lambda path: (len(path.parts), path))
    lines = [line for path in files for line in described(path)]
    return HELP + "\n".join(lines or [f"  there is no folder {root} here: change to the repository's root"])


def described(path: Path) -> Iterator[str]:
    """Lines on a config: what it is for, and what may follow its name; none of a file that is no config."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not any(isinstance(node, ast.FunctionDef) and node.name == "get_config" for node in tree.body):
        return
    module = importlib.import_module(".".join(path.with_suffix("").parts))
    default = next(iter(inspect.signature(module.get_config).parameters.values())).default
    presets = sorted(getattr(module, "PRESETS", ()), key=lambda preset: preset != default)
    yield f"  {path}" + (f":{default}" if default and not presets else "")  # the folder of a finished run
    yield f"      {ast.get_docstring(tree).splitlines()[0]}"
    words = " ".join(f":{preset}" for preset in presets)
    yield from textwrap.wrap(words, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)


def unknown_key(config: ConfigDict, key: str) -> errors.InputError:
    """The error for a key that a config lacks, with the places where it has one of that name, or almost."""
    hint = " or ".join(f"--config.{place}" for place in places(config, key))
    return errors.InputError(f"unknown config key {key!r}: {f'did you mean {hint}?' if hint else 'see --help'}")


def places(config: ConfigDict, key: str) -> list[str]:
    """Where a config has a key of that name, or of one almost like it: "stages.NAME.epochs" of all stages at once."""
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
    """The path of every key of a config, those of its parts included."""
    for key, value in config.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping | ConfigDict):
            yield from paths(value, f"{prefix}{key}.")


def results(workdir: Path) -> list[Path]:
    """The files of a finished run that people look at first; where it has none of them, its result.json."""
    return [path for name in RESULTS for path in sorted(workdir.glob(name))] or [workdir / "result.json"]
