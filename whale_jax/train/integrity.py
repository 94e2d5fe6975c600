"""How a checkpoint shows that it is what was written: a checksum of each array, and one of the item beside them.

Orbax does not notice a byte that has changed on the disk.
"""

import contextlib
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from etils import epath

from whale_jax.runtime import errors

ITEM = "progress"  # the name of what stands beside the arrays
QUOTED = 200  # characters of an error of Orbax, which may be pages
AGAIN = "copy it there again, or train again in another folder"


class DamagedError(errors.InputError):
    """A checkpoint is not what was written."""


def seal(state: Mapping[str, Any], *, progress: Mapping[str, Any], best: Mapping[str, Any] | None) -> dict[str, Any]:
    """The item of a checkpoint: "progress", "best", the checksums of the state's arrays, and its own checksum.

    Args:
        state: trees of arrays by the names of their fields.
        progress: what the loop needs to go on, as JSON has it.
        best: {"step", "rating"} of the best checkpoint so far; None where none was rated.
    """
    item = {"progress": progress, "best": best, "checksums": checksums(named(state))}
    return {**item, "checksum": _checksum(item)}


def read_item(folder: epath.Path) -> dict[str, Any]:
    """The item of the checkpoint in a folder; DamagedError where it is not what was written.

    It is read without Orbax, whose reader needs all hosts at once.
    """
    path = folder / ITEM / "metadata"
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
        checksum = item.pop("checksum", None)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise DamagedError(f"the checkpoint {folder} cannot be read: {path}: {brief(error)}") from error
    if checksum is None:
        advice = "was written before checkpoints had checksums: train again in another folder"
        raise errors.InputError(f"the checkpoint {folder} {advice}")
    if checksum != _checksum(item):
        raise DamagedError(f"the checkpoint {folder} is damaged, {path} is not what was written: {AGAIN}")
    return item


def verify(folder: epath.Path, arrays: Mapping[str, jax.Array]) -> None:
    """Raises DamagedError where one of the arrays, {name: (..., n)}, read from a checkpoint is not what was written."""
    written = read_item(folder)["checksums"]
    for name, checksum in checksums(arrays).items():
        if checksum != written[name]:
            raise DamagedError(f"the checkpoint {folder} is damaged, {name} is not what was written: {AGAIN}")


@contextlib.contextmanager
def reading(folder: epath.Path) -> Iterator[None]:
    """Turns what Orbax raises, which has no error of its own for damaged or missing files, into DamagedError."""
    try:
        yield
    except errors.InputError:
        raise
    except Exception as error:
        raise DamagedError(f"the checkpoint {folder} cannot be read: {brief(error)}") from error


def checksums(arrays: Mapping[str, jax.Array]) -> dict[str, int]:
    """{name: (..., n) array} -> {name: CRC-32 of its bytes}."""
    return {name: zlib.crc32(np.ascontiguousarray(array)) for name, array in jax.device_get(dict(arrays)).items()}


def named(state: Mapping[str, Any]) -> dict[str, Any]:
    """{"params/Dense_0/kernel": leaf} of some fields of a state, in their order."""
    leaves = [(field, *leaf) for field, tree in state.items() for leaf in jax.tree_util.tree_leaves_with_path(tree)]
    return {f"{field}/{jax.tree_util.keystr(path, simple=True, separator='/')}": leaf for field, path, leaf in leaves}


def brief(error: Exception) -> str:
    """The beginning of an error's first line."""
    return str(error).partition("\n")[0][:QUOTED] or type(error).__name__


def _checksum(item: Mapping[str, Any]) -> int:
    """The CRC-32 of what can be written as JSON."""
    return zlib.crc32(json.dumps(item, sort_keys=True).encode())
