"""What a stage can do: each program is one value, found by its name, and has configs of one shape.

    PROGRAM = Program({"inputs": {"photos": ""}, "scale": 1.0}, run)
    programs.register("mine", PROGRAM)

The package `programs` fills the table. It is imported when a program is first looked up, so this package names none.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from whale_jax.data.shards import Shard
from whale_jax.runtime import errors, registry
from whale_jax.workflow import ranges, renamed

PACKAGE = "whale_jax.programs"
PROGRAMS = registry.Registry("program")  # name -> Program, or the module whose PROGRAM it is


class Program(NamedTuple):
    """A program. Its functions take the stage's config, and `workdir`, the folder that is the stage's own.

    Attributes:
        defaults: key -> value of its config; a config has these keys, "program", and no others. The values under
            "inputs" are folders of earlier stages, or empty.
        run: (config, workdir) -> result. Writes the stage's files and returns what result.json records. A "digest" in
            it stands for the content of the files where config and inputs do not determine it, "split" and "fold" for
            the split they belong to and the fold held out, "caveats" are logged.
        check: (config). Raises InputError for what is wrong in the config itself, before any stage runs.
        revisit: (config, workdir). Called in place of `run` where the stage is complete.
        shard: (config, workdir, shard). Does one shard of the work on every photo; `run` then puts the shards together.
            None: the work is not done in shards.
        together: whether several hosts run it as one. Otherwise the first host runs it and the others wait.
        inputs_of_other_photos: inputs that may belong to another split than the rest.
        files: (config) -> {name: checksum} of files outside the stages' folders that the stage reads. One that changes
            is noticed as an input that changes is.
        any_fold: whether its inputs may hold out different folds.
        specs: key -> table of callables (see `registry.build`). Such a key of the config holds the name of one and its
            arguments; the config shows the defaults of the arguments that it leaves open.
        claim: (config, workdir). Only for a program that runs stages in folders within `workdir`: raises InputError
            where one of these folders belongs to another config.
        digest: (config, workdir) -> the digest that `run` would return, None where a stage is left to do. Goes with
            `claim`.
        interactive: whether a person ends it. It is never complete: started again in its folder, with the same inputs,
            it goes on.
        always_runs: whether it is never complete for another reason, such as photos that may have changed.
    """

    defaults: Mapping[str, Any]
    run: Callable[[ConfigDict, Path], dict[str, Any]]
    check: Callable[[ConfigDict], None] = lambda config: None
    revisit: Callable[[ConfigDict, Path], None] = lambda config, workdir: None
    shard: Callable[[ConfigDict, Path, Shard], None] | None = None
    together: bool = False
    inputs_of_other_photos: tuple[str, ...] = ()
    files: Callable[[ConfigDict], dict[str, str]] = lambda config: {}
    any_fold: bool = False
    specs: Mapping[str, Mapping[str, Callable]] = {}
    claim: Callable[[ConfigDict, Path], None] | None = None
    digest: Callable[[ConfigDict, Path], str | None] | None = None
    interactive: bool = False
    always_runs: bool = False

    @property
    def repeats(self) -> bool:
        """Whether it is done again, or goes on, in a folder where it has ended before."""
        return self.interactive or self.always_runs

    @property
    def runs_stages(self) -> bool:
        """Whether it is a pipeline: each of its stages claims a folder for itself."""
        return self.claim is not None


def names() -> list[str]:
    """The names of all programs."""
    importlib.import_module(PACKAGE)
    return list(PROGRAMS)


def find(name: str) -> Program:
    """The program called `name`. An unknown name raises InputError with the close matches."""
    importlib.import_module(PACKAGE)
    entry = registry.lookup("program", PROGRAMS, name)
    return importlib.import_module(entry).PROGRAM if isinstance(entry, str) else entry


def config(program: str, **changes: Any) -> ConfigDict:
    """The config of a program: its defaults, and the keys that an experiment changes.

    Raises:
        InputError: an unknown program or key.
    """
    changes = renamed.current({"program": program, **changes}, warn=True)
    _check_keys(changes, program)
    return ConfigDict(complete(changes))


def complete(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config with the defaults of its program, and of what its `specs` name, for every key that it leaves open."""
    program = find(config["program"])
    full = {**program.defaults, **config}
    if "inputs" in full:
        full["inputs"] = {**program.defaults["inputs"], **full["inputs"]}
    for key, table in program.specs.items():
        full[key] = registry.complete(key, table, full[key])
    return full


def check(config: ConfigDict) -> None:
    """Raises InputError for an unknown program or key, a number out of its range, or what the program objects to."""
    _check_keys(config, config.program)
    ranges.check(config)
    find(config.program).check(config)


def _check_keys(keys: Iterable[str], program: str) -> None:
    choices = {"program", *find(program).defaults}
    for key in keys:
        if key not in choices:
            raise errors.unknown(f"key of program {program!r}", key, choices)
