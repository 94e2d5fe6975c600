"""Files that are whole or not there, and unchanged since their stage wrote them.

A finished stage has a result.json, which holds a checksum of every file that later stages read. Readers open files by
`reading`: a file that has changed since, or cannot be read, is one InputError, which names it and what to delete.
"""

import contextlib
import functools
import json
import mmap
import os
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from whale_jax.runtime.errors import InputError

RESULT = "result.json"
PARTIAL = ".tmp"  # how temporary names end
DEPTH = 4  # folders between a file and its stage's result.json, at most
Content = TypeVar("Content")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path, which takes the place of `path` when the block ends well and vanishes when it fails.

    The content reaches the disk before the name: a machine that loses its power leaves the old file or the new one.
    """
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL}")  # others may be writing the same
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a whole file of UTF-8."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def savez(path: Path, **arrays: np.ndarray) -> None:
    """Writes a whole .npz."""
    with replacing(path) as partial, partial.open("wb") as file:  # to a path, NumPy would add a suffix
        np.savez(file, **arrays)


def file_cache(entries: int) -> Callable[[Callable[[Path], Content]], Callable[[Path], Content]]:
    """A decorator: what a function makes of a file is kept, for so many files, until their time or size changes."""

    def decorate(function: Callable[[Path], Content]) -> Callable[[Path], Content]:
        @functools.lru_cache(entries)
        def content(path: Path, modified: int, size: int) -> Content:
            return function(path)

        @functools.wraps(function)
        def read(path: Path) -> Content:
            stat = path.stat()
            return content(path, stat.st_mtime_ns, stat.st_size)

        return read

    return decorate


def checksum(path: Path) -> str:
    """Eight hexadecimal digits that change with any byte of a file. They reveal damage, not forgery."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return f"{0:08x}"  # an empty file cannot be mapped
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return f"{zlib.crc32(content):08x}"


@contextlib.contextmanager
def reading(path: Path, remedy: str = "") -> Iterator[Path]:
    """The path of a file that the block reads, after its checksum was compared with its stage's result.json.

    Args:
        path: the file.
        remedy: what a person does about a damaged file, if not to delete the stage's folder and run the stage again.

    Raises:
        InputError: a file that is missing, that is not what its stage wrote, or that the block cannot read.
    """
    folder = _stage_of(path)
    remedy = remedy or f"delete {folder or path.parent} and run its stage again"
    try:
        _verify(path)
        yield path
    except InputError as error:
        raise InputError(f"{error}: {remedy}") if isinstance(error, _ChangedError) else error from None
    except PermissionError as error:
        raise InputError(f"{path} may not be read ({error.strerror}): ask its owner for leave to") from error
    except Exception as error:  # JSON, NumPy, zip files and array_record each have many of their own
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{path} is not there: {remedy if folder else 'run the stage that makes it'}") from error
        raise InputError(f"{path} cannot be read ({_brief(error)}): {remedy}") from error


def checksums_of(folder: Path) -> dict[str, str] | None:
    """{name relative to the folder: checksum} of a finished stage, None where it is unfinished or has no checksums."""
    with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError):  # `provenance.read` reports it
        return _files(folder / RESULT)
    return None


def verify(folder: Path) -> None:
    """Raises InputError where any file of a finished stage is not what the stage wrote."""
    for name in checksums_of(folder) or ():
        with reading(folder / name):
            pass


class _ChangedError(InputError):
    """A file is not what its stage wrote."""


def _verify(path: Path) -> None:
    if (folder := _stage_of(path)) is None or path == folder / RESULT:
        return
    if (expected := (checksums_of(folder) or {}).get(path.relative_to(folder).as_posix())) is None:
        return
    if _checksum(path) != expected:
        raise _ChangedError(f"{path} has changed since its stage wrote it")


def _stage_of(path: Path) -> Path | None:
    """The folder of the finished stage that wrote a file."""
    return next((folder for folder in list(path.parents)[:DEPTH] if os.path.isfile(folder / RESULT)), None)


_checksum = file_cache(4096)(checksum)  # for readers; what was just written is never taken from a cache


@file_cache(1024)
def _files(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")).get("files")


def _brief(error: Exception) -> str:
    """The message of a library's exception, in a line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
