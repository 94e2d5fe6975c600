"""The inputs of a stage: finished stages, all of one split, that hold out one fold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from whale_jax.runtime import errors
from whale_jax.workflow import json_files, provenance

CONTENT = (".npy", ".npz")  # files whose bytes are the identity of a result, besides its digest


def read(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """name -> result.json of each input that a config names. A folder without one raises InputError."""
    results = {}
    for name, path in config.get("inputs", {}).items():
        if path and (result := provenance.read(Path(path))) is None:
            advice = "holds no finished stage (no result.json): run the stage that makes it first"
            raise errors.InputError(f"{path} {advice}")
        if path:
            results[name] = result
    return results


def identity(result: Mapping[str, Any]) -> str:
    """What a later stage remembers of an input: its digest, which is of configs, and the content of its arrays."""
    content = {name: value for name, value in result.get("files", {}).items() if name.endswith(CONTENT)}
    return result["digest"] + (f" {json_files.hash_of(content)}" if content else "")
