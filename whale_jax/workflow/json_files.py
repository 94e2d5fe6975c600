"""JSON files that are whole or not there, and folders that one run has to itself."""

import contextlib
import errno
import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from whale_jax.runtime import errors, hosts, storage

LOCK = ".lock"
LATE = 120.0  # seconds after which a network file system shows every host what one of them wrote
PATIENCE = 2.0  # seconds: some look into a folder for a moment only


def write(path: Path, content: Any) -> None:
    """Writes a whole file of JSON; only the first host does."""
    if hosts.first():
        storage.write_text(path, json.dumps(content, indent=1) + "\n")


def read(path: Path) -> Any:
    """The JSON in a file, None where there is no file; a damaged one raises InputError."""
    with storage.reading(path):
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def await_content(path: Path, content: Any) -> None:
    """Returns when `path` holds the JSON `content`, which another host wrote.

    A network file system may show the file of before, or none, for a while. After LATE seconds, InputError.
    """
    until, wanted = time.monotonic() + LATE, hash_of(content)
    while hash_of(read(path)) != wanted:  # NaN is not equal to itself, and is written alike
        if time.monotonic() > until:
            what = "is the folder on a disk that all hosts share?"
            raise errors.InputError(f"{path} is not what the first host wrote, even after {LATE:g} s: {what}")
        time.sleep(0.1)


def hash_of(content: Any) -> str:
    """Sixteen hexadecimal digits that stand for what can be written as JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


class BusyError(errors.InputError):
    """Another run is at work in a folder."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside, no other run works in the folder. The system ends a lock with the process that holds it.

    A folder that is another run's, or that cannot be written to, raises InputError.
    """
    lock = filelock.FileLock(folder / LOCK, timeout=PATIENCE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        what = "another run is at work in it: let it end, or choose another --workdir"
        raise BusyError(f"{folder}: {what}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # which has a message of its own
        what = "may this user write there? If not, choose another --workdir"
        raise errors.InputError(f"{folder} cannot be written to ({error.strerror}): {what}") from error
    try:
        yield
    finally:
        lock.release()


def sweep(folder: Path) -> None:
    """Removes what a run that was killed left under temporary names; the folder must be `locked`."""
    for path in folder.glob(f"*{storage.PARTIAL}"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
