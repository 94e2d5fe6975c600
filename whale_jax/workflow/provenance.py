"""Where a result comes from: the inputs of its stage, and the code, versions and devices that made its files."""

import functools
import hashlib
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

import flax
import jax
import jaxlib
import numpy
import optax
from absl import logging

from whale_jax.runtime import errors, hosts, storage
from whale_jax.workflow import json_files

PACKAGE = Path(__file__).parents[1]
# What has checksums of its own, or changes without harm. The photos in array_record have theirs in columns.npz.
UNCHECKED = ("checkpoints", "tensorboard", json_files.LOCK, storage.RESULT)
UNCHECKED_PARTS = (storage.PARTIAL, ".array_record")
CONTENT = (".npy", ".npz")  # what a stage hands on by its bytes
_warned: set[str] = set()


def seal(result: dict[str, Any], workdir: Path, *, whole: bool = True) -> dict[str, Any]:
    """A result with the checksums of the stage's files, and one of itself.

    Args:
        result: what is to stand in result.json.
        workdir: the stage's folder.
        whole: whether the folder stays as it is: a pipeline may grow.
    """
    if whole:
        result = {**result, "files": checksums(workdir)}
    result = {key: value for key, value in json.loads(json.dumps(result)).items() if key != "checksum"}  # as it is read
    return {**result, "checksum": json_files.hash_of(result)}


def checksums(workdir: Path) -> dict[str, str]:
    """{name relative to the folder: checksum} of the files that a stage hands on; those of stages within are theirs."""
    found = {}
    for path in sorted(workdir.iterdir()):
        if path.name in UNCHECKED or any(part in path.name for part in UNCHECKED_PARTS):
            continue
        if path.is_file():
            found[path.name] = storage.checksum(path)
        elif path.is_dir() and not (path / "config.json").exists():
            found |= {f"{path.name}/{name}": value for name, value in checksums(path).items()}
    return found


def read(folder: Path) -> dict[str, Any] | None:
    """What stands in a stage's result.json, None where there is none; a damaged one raises InputError.

    One line warns, once a process, of a result that other code made, and of one from before there were checksums.
    """
    path = folder / storage.RESULT
    result = json_files.read(path)
    if result is None:
        return None
    remedy = f"delete {folder} and run its stage again"
    if not isinstance(result, dict):
        raise errors.InputError(f"{path} is no result of a stage: {remedy}")
    if "checksum" not in result:
        _warn("checksums", f"{folder} was made before results had checksums: its files are taken as they are")
    elif json_files.hash_of({key: value for key, value in result.items() if key != "checksum"}) != result["checksum"]:
        raise errors.InputError(f"{path} has changed since its stage wrote it: {remedy}")
    if "code" in result and result["code"]["sources"] != code()["sources"]:
        what = f"{result['code']['version']}, and this is {code()['version']}"
        _warn("code", f"{folder} was made by other code ({what}): it is kept; delete it to make it anew")
    return result


def read_together(folder: Path) -> dict[str, Any] | None:
    """What `read` returns to the first host, on every host, once each sees that file too; every host calls it."""
    result = hosts.of_first(hosts.each(read, folder))
    if result is not None:
        hosts.each(json_files.await_content, folder / storage.RESULT, result)
    return result


def required(folder: str | Path) -> dict[str, Any]:
    """What stands in result.json of an input; a folder without one raises InputError."""
    if (result := read(Path(folder))) is None:
        what = "holds no finished stage (no result.json): run the stage that makes it first"
        raise errors.InputError(f"{folder} {what}")
    return result


def sides(stage: Any) -> dict[str, Any]:
    """The one split, and the one fold held out, of a stage that `stage` opened and its inputs.

    Inputs of other photos may have others. More than one of either raises InputError.
    """
    program, config, workdir, inputs = stage.program, stage.config, stage.workdir, stage.inputs
    results = [result for name, result in inputs.items() if name not in program.inputs_of_other_photos]
    split, fold = ({result[key] for result in results if result.get(key) is not None} for key in ("split", "fold"))
    if len(split) > 1:
        origins = [
            f"  {config.inputs[name]}: {result['split']}" for name, result in inputs.items() if result.get("split")
        ]
        what = f"the inputs of {workdir} belong to {len(split)} different splits: make them from one"
        raise errors.InputError("\n".join([what, *origins]))
    fold |= {config.fold} if "fold" in config else set()
    if len(fold) > 1 and program.any_fold:
        fold = set()
    if len(fold) > 1:
        held_out = " and ".join(map(str, sorted(fold)))
        raise errors.InputError(
            f"{workdir} and what it is made from hold out folds {held_out} (-1 is none): what was learned from would be"
            " validated on; set one fold for all of them"
        )
    return {"split": next(iter(split), None), "fold": next(iter(fold), None)}


def identity(result: dict[str, Any]) -> str:
    """What a later stage remembers of an input: its digest, which is of configs, and what its arrays hold."""
    content = {name: value for name, value in result.get("files", {}).items() if name.endswith(CONTENT)}
    return result["digest"] + (f" {json_files.hash_of(content)}" if content else "")


@functools.cache
def code() -> dict[str, str]:
    """The version of the package: the commit of its checkout, or the release; and a hash of its sources."""
    total = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        total.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return {"version": _commit() or _release(), "sources": total.hexdigest()[:16]}


def versions() -> dict[str, str]:
    """Of Python and of the libraries that a result depends on."""
    libraries = (jax, jaxlib, flax, optax, numpy)
    return {"python": platform.python_version(), **{library.__name__: library.__version__ for library in libraries}}


def device(number: int = 1) -> str:
    """So many devices, those of all hosts together, as "2 x cpu on each of 2 hosts"."""
    each = max(1, number // hosts.count())
    return f"{each} x {hosts.devices()[0][0].device_kind}" + (
        f" on each of {hosts.count()} hosts" if hosts.count() > 1 else ""
    )


def _warn(kind: str, message: str) -> None:
    if kind not in _warned:
        _warned.add(kind)
        logging.warning("%s", message)


def _commit() -> str:
    """The commit that the package was checked out at, with "-dirty" where tracked files differ; "" of no checkout."""
    tracked = _git("ls-files", "--error-unmatch", "__init__.py")  # not installed within another's
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") if tracked else ""


def _git(*words: str) -> str:
    try:
        return subprocess.run(
            ["git", "-C", PACKAGE, *words], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _release() -> str:
    try:
        return importlib.metadata.version("whale_jax")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
