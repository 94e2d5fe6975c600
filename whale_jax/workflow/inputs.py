"""The inputs of a stage: finished stages, all of one split, that hold out one fold."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from whale_jax.runtime import errors
from whale_jax.workflow import json_files, provenance
from whale_jax.workflow.program import Program

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


def split_and_fold(
    results: Mapping[str, Mapping[str, Any]], config: ConfigDict, *, program: Program, workdir: Path
) -> dict[str, Any]:
    """The hash of the one "split" that a stage belongs to, and the one "fold" it holds out; None where it has none.

    Args:
        results: name -> result.json of each input.
        config: of the stage; it may name a fold.
        program: of the stage; it says which inputs may differ.
        workdir: the stage's folder, for messages.

    Raises:
        InputError: inputs of several splits, or that hold out several folds.
    """
    bound = [result for name, result in results.items() if name not in program.inputs_of_other_photos]
    split, fold = ({result[key] for result in bound if result.get(key) is not None} for key in ("split", "fold"))
    if len(split) > 1:
        origins = [f"  {config.inputs[key]}: {value['split']}" for key, value in results.items() if value.get("split")]
        message = f"the inputs of {workdir} belong to {len(split)} different splits: make them from one"
        raise errors.InputError("\n".join([message, *origins]))
    fold |= {config.fold} if "fold" in config else set()
    if len(fold) > 1 and program.any_fold:
        fold = set()
    if len(fold) > 1:
        held_out = " and ".join(map(str, sorted(fold)))
        raise errors.InputError(
            f"{workdir} and what it is made from hold out folds {held_out} (-1 is none): a network would be validated"
            " on photos that it was trained on; set one fold for all of them"
        )
    return {"split": next(iter(split), None), "fold": next(iter(fold), None)}
