"""The folder of a stage: which config and inputs it belongs to, and that one run at a time works in it."""

import contextlib
import errno
import functools
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import filelock

from whale_jax.runtime import errors, hosts, storage
from whale_jax.workflow import json_files

LOCK = ".lock"
PATIENCE = 2.0  # seconds: some runs look into a folder for a moment only
LABELS = ("config", "inputs")  # config.json and inputs.json name the owner of a folder


class BusyError(errors.InputError):
    """Another run is at work in a folder."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside the block, no other run works in the folder. The system releases the lock of a process that dies.

    A folder in which another run is at work raises BusyError, one that cannot be written to InputError.
    """
    lock = filelock.FileLock(folder / LOCK, timeout=PATIENCE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        advice = "let it end, or choose another --workdir"
        raise BusyError(f"{folder}: another run is at work in it: {advice}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # `main` has a message for it
        advice = "may this user write there? If not, choose another --workdir"
        raise errors.InputError(f"{folder} cannot be written to ({error.strerror}): {advice}") from error
    try:
        yield
    finally:
        lock.release()


def sweep(folder: Path) -> None:
    """Removes what has a temporary name, which a killed run has left. The folder must be `locked`."""
    for path in folder.glob(f"*{storage.PARTIAL}"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def expect(folder: Path, *, label: str, content: Mapping[str, Any], existing: Mapping[str, Any] | None) -> None:
    """Raises InputError where the `existing` content of the folder's label is another than `content`."""
    if existing not in (None, content):
        keys = ", ".join(sorted(key for key in {*existing, *content} if existing.get(key) != content.get(key)))
        raise errors.InputError(f"{folder} belongs to other {label} ({keys} differ): choose another --workdir")


def mark(folder: Path, labels: Mapping[str, Any]) -> None:
    """Writes the labels of the folder that differ: the age of an untouched config.json tells when the stage began."""
    for label, content in labels.items():
        if json_files.read(path := folder / f"{label}.json") != content:
            json_files.write(path, content)


def unmark(folder: Path) -> None:
    """Removes the labels of the folder."""
    for label in LABELS:
        (folder / f"{label}.json").unlink(missing_ok=True)


def withdraw(folder: Path) -> None:
    """Removes a folder that holds nothing but its labels; the first host does."""
    if hosts.first() and {path.name for path in folder.iterdir()} <= {LOCK, *(f"{label}.json" for label in LABELS)}:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def scratch(name: str) -> Path:
    """A new folder for what this process needs while it runs. It is removed when the process ends."""
    return Path(tempfile.mkdtemp(prefix=f"{name}_", dir=_scratch().name))


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="whale_jax_")
