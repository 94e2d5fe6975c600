"""result.json of a stage: its checksums, and the code, versions and devices that made its files."""

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
from whale_jax.workflow import folders, json_files

PACKAGE = Path(__file__).parents[1]
# Files that have checksums of their own, or change without harm. columns.npz has those of the photos in array_record.
UNCHECKED = ("checkpoints", "tensorboard", "thumbnails", folders.LOCK, storage.RESULT)
UNCHECKED_PARTS = (storage.PARTIAL, ".array_record")
_warned: set[str] = set()


def seal(result: dict[str, Any], workdir: Path, *, whole: bool = True) -> dict[str, Any]:
    """A result with the checksums of the stage's files and a checksum of itself, ready for result.json.

    Args:
        result: what the stage's result.json holds besides.
        workdir: the stage's folder.
        whole: whether the folder stays as it is. That of a pipeline may get more stages.
    """
    if whole:
        result = {**result, "files": checksums(workdir)}
    result = {key: value for key, value in json.loads(json.dumps(result)).items() if key != "checksum"}  # as it is read
    return {**result, "checksum": json_files.hash_of(result)}


def checksums(workdir: Path) -> dict[str, str]:
    """{name relative to the folder: checksum} of the files that later stages read; stages within have their own."""
    values = {}
    for path in sorted(workdir.iterdir()):
        if path.name in UNCHECKED or any(part in path.name for part in UNCHECKED_PARTS):
            continue
        if path.is_file():
            values[path.name] = storage.checksum(path)
        elif path.is_dir() and not (path / "config.json").exists():
            values |= {f"{path.name}/{name}": value for name, value in checksums(path).items()}
    return values


def read(folder: Path) -> dict[str, Any] | None:
    """What a stage's result.json holds, None where there is none. A damaged one raises InputError.

    Once a process, a warning names a result that other code made, and one from before results had checksums.
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
        versions_of_code = f"{result['code']['version']}, and this is {code()['version']}"
        _warn("code", f"{folder} was made by another version of the code ({versions_of_code}), and is used as it is")
    return result


def read_together(folder: Path) -> dict[str, Any] | None:
    """What `read` returns to the first host, on every host, once each sees that file too. Every host calls it."""
    result = hosts.of_first(hosts.each(read, folder))
    if result is not None:
        hosts.each(json_files.await_content, folder / storage.RESULT, result)
    return result


@functools.cache
def code() -> dict[str, str]:
    """The version of the package, which is the commit of its checkout or the release, and a hash of its sources."""
    total = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        total.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return {"version": _commit() or _release(), "sources": total.hexdigest()[:16]}


def versions() -> dict[str, str]:
    """Of Python and of the libraries that a result depends on."""
    libraries = (jax, jaxlib, flax, optax, numpy)
    return {"python": platform.python_version(), **{library.__name__: library.__version__ for library in libraries}}


def device(number: int = 1) -> str:
    """The name of `number` devices, over all hosts, such as "2 x cpu on each of 2 hosts"."""
    each = max(1, number // hosts.count())
    return f"{each} x {hosts.devices()[0][0].device_kind}" + (
        f" on each of {hosts.count()} hosts" if hosts.count() > 1 else ""
    )


def _warn(kind: str, message: str) -> None:
    if kind not in _warned:
        _warned.add(kind)
        logging.warning("%s", message)


def _commit() -> str:
    """The commit of the package's checkout, with "-dirty" where tracked files differ; "" where it is no checkout."""
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
