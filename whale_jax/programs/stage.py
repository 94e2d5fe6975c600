"""What every stage does around its own work: a folder with config.json and result.json, and who made its inputs.

A stage that is complete is skipped; one that was cut off goes on; a folder of another config, an input that has
changed since, or inputs that belong to different splits are refused.
"""

import hashlib
import importlib
import json
import platform
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import flax
import jax
import jaxlib
import numpy
import optax
from ml_collections import ConfigDict

from whale_jax import errors, registry

PROGRAMS = (
    "draw",
    "import_photos",
    "split",
    "align",
    "train",
    "crossfit",
    "predict",
    "extract",
    "stack",
    "calibrate",
    "submit",
    "saliency",
    "warps",
    "report",
    "compare",
    "pipeline",
)


def module(name: str) -> Any:
    """The program called `name`, one of PROGRAMS."""
    registry.lookup("program", dict.fromkeys(PROGRAMS), name)
    return importlib.import_module(f"whale_jax.programs.{name}")


def config(program: str, **changes: Any) -> ConfigDict:
    """The config of a program: its defaults and what an experiment changes. An unknown key raises InputError."""
    _check_keys(changes, program, module(program).DEFAULTS)
    return ConfigDict(_complete(module(program), {"program": program, **changes}))


def check(config: ConfigDict) -> None:
    """Raises InputError for an unknown program or key, or what the program itself finds wrong in its config."""
    program = module(config.program)
    _check_keys(config, config.program, {"program", *program.DEFAULTS})
    if hasattr(program, "check"):
        program.check(config)


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Runs the program that `config.program` names in `workdir`, unless that has been done.

    Args:
        config: of one program. `config.inputs`, where there is one, names the folders of earlier stages.
        workdir: the stage's folder.

    Returns:
        What stands in result.json: what the program returned, and seconds, digest, split, inputs, versions, device.

    Raises:
        InputError: a bad config, a folder of another one, a missing or changed input, inputs of different splits.
    """
    check(config)
    workdir = Path(workdir)
    wanted = json.loads(config.to_json_best_effort())
    inputs = {name: _result(path) for name, path in wanted.get("inputs", {}).items() if path}
    digests = {name: result["digest"] for name, result in inputs.items()}
    program = module(config.program)
    if not getattr(program, "GROWS", False):
        _check_claim(workdir, {"config": wanted, "inputs": digests}, program)
        if done := read(workdir / "result.json"):
            return done
    workdir.mkdir(parents=True, exist_ok=True)
    write(workdir / "config.json", wanted)
    write(workdir / "inputs.json", digests)
    elsewhere = getattr(program, "ELSEWHERE", ())
    splits = {result["split"] for name, result in inputs.items() if result.get("split") and name not in elsewhere}
    if len(splits) > 1:
        raise errors.InputError(f"the inputs of {workdir} belong to {len(splits)} different splits: make them from one")
    began = time.perf_counter()
    found = program.run(config, workdir)
    result = {
        "program": config.program,
        "seed": wanted.get("seed"),
        "seconds": round(time.perf_counter() - began, 1),
        "split": next(iter(splits), None),
        **found,
        "inputs": digests,
        "digest": hash_of([{**wanted, "inputs": digests}, found.get("digest")]),  # where the inputs lie is no matter
        "device": f"{jax.local_device_count()} x {jax.devices()[0].device_kind}",
        "versions": {m.__name__: m.__version__ for m in (jax, jaxlib, flax, optax, numpy)}
        | {"python": platform.python_version()},
    }
    write(workdir / "result.json", result)
    return result


def _complete(program: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """A config with the program's defaults for what it leaves open, and those of the parts that it names."""
    full = {**program.DEFAULTS, **config}
    if "inputs" in full:
        full["inputs"] = {**program.DEFAULTS["inputs"], **full["inputs"]}
    for what, table in getattr(program, "SPECS", {}).items():
        full[what] = registry.complete(what, table, full[what])
    return full


def _check_keys(keys: Iterable[str], program: str, known: Iterable[str]) -> None:
    for key in keys:
        if key not in known:
            raise errors.unknown(f"key of program {program!r}", key, known)


def write(path: Path, content: Any) -> None:
    """Writes JSON by way of a temporary name, so that what bears `path`'s name is whole."""
    partial = path.with_name(path.name + ".tmp")
    partial.write_text(json.dumps(content, indent=1) + "\n")
    partial.replace(path)


def read(path: Path) -> Any:
    """The JSON in a file, None where there is no file."""
    return json.loads(path.read_text()) if path.exists() else None


def hash_of(content: Any) -> str:
    """Sixteen hexadecimal digits that stand for what can be written as JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _check_claim(workdir: Path, wanted: dict[str, dict], program: Any) -> None:
    """Raises InputError where a folder's config.json or inputs.json (the inputs' digests) says something else.

    A key that a program did not have yet when the folder was made counts as its default.
    """
    for name, own in wanted.items():
        there = read(workdir / f"{name}.json")
        if there is None:
            continue
        if name == "config" and there.get("program") == own.get("program"):
            own, there = (json.loads(json.dumps(_complete(program, one))) for one in (own, there))
        if there != own:
            differ = ", ".join(sorted(key for key in {*there, *own} if there.get(key) != own.get(key)))
            raise errors.InputError(f"{workdir} belongs to other {name} ({differ} differ): choose another --workdir")


def _result(path: str) -> dict:
    result = read(Path(path) / "result.json")
    if result is None:
        raise errors.InputError(f"{path} holds no finished stage (no result.json): run the stage that makes it first")
    return result
