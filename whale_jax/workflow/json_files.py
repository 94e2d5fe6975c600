"""JSON files that are whole or not there."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from whale_jax.runtime import errors, hosts, storage

LATE = 120.0  # seconds within which a network file system shows every host what one of them wrote


def write(path: Path, content: Any) -> None:
    """Writes a whole file of JSON; the first host does."""
    if hosts.first():
        storage.write_text(path, json.dumps(content, indent=1) + "\n")


def read(path: Path) -> Any:
    """The JSON in a file, None where there is no file. A damaged file raises InputError."""
    with storage.reading(path):
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def await_content(path: Path, content: Any) -> None:
    """Returns when `path` holds the JSON `content`, which another host wrote.

    For a while, a network file system may show the earlier file, or none. LATE seconds without it raise InputError.
    """
    deadline, digest = time.monotonic() + LATE, hash_of(content)
    while hash_of(read(path)) != digest:  # NaN is not equal to itself, but is written alike
        if time.monotonic() > deadline:
            advice = "is the folder on a disk that all hosts share?"
            raise errors.InputError(f"{path} is not what the first host wrote, even after {LATE:g} s: {advice}")
        time.sleep(0.1)


def hash_of(content: Any) -> str:
    """Sixteen hexadecimal digits that stand for what can be written as JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
