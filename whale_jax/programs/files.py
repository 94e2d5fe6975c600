"""JSON files that are whole or not there, and folders that one run has to itself."""

import contextlib
import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from whale_jax import errors, hosts

LOCK = ".lock"
PATIENCE = 2.0  # seconds: some look into a folder for a moment only


def write(path: Path, content: Any) -> None:
    """Writes JSON by way of a temporary name, so that what bears `path`'s name is whole; only the first host does."""
    if not hosts.first():
        return
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")  # others may be writing the same
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def read(path: Path) -> Any:
    """The JSON in a file, None where there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def hash_of(content: Any) -> str:
    """Sixteen hexadecimal digits that stand for what can be written as JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


class BusyError(errors.InputError):
    """Another run is at work in a folder."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside, no other run works in the folder. The system ends a lock with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / LOCK, timeout=PATIENCE):
            yield
    except filelock.Timeout:
        what = "another run is at work in it: let it end, or choose another --workdir"
        raise BusyError(f"{folder}: {what}") from None
