"""Compares two run folders bit for bit, with files, arrays and metrics that were renamed in between.

Nothing of whale_jax is imported, so that folders of any commit can be read: checkpoints by Orbax, the rest by NumPy.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

# (pattern, replacement) for names of stages, files, arrays, parameters and metrics of the old side that the new side
# does not have.
RENAMED = ((r"\bpart(?=\d+\b)", "subfold"), (r"\bphase\b", "reranked"))
# (file, array) that the new side writes beside what the old side did.
ADDED = {("probabilities.npz", "photo"), ("probabilities.npz", "whale")}
TIMES = re.compile(r"second|\btime")  # in names of metrics
FILES = re.compile(r"(metrics\.jsonl|result\.json|splits\.json|whales\.json|\.npz|\.npy|\.csv)$")
WEIGHTS = "weights"  # the last checkpoint, as if it were a file

Value = TypeVar("Value")


class Compared(NamedTuple):
    """What became of a stage.

    Attributes:
        stage: its folder, "." for the run itself.
        files: how many were compared.
        difference: the first one, "" where all is equal.
    """

    stage: str
    files: int
    difference: str


def compare_runs(old: Path, new: Path) -> list[Compared]:
    """Compares every stage of two runs, which are folders with a result.json; those of one side only differ."""
    rows = []
    for stage, old_folder, new_folder in paired(stages(old), stages(new)):
        if old_folder is None or new_folder is None:
            rows.append(Compared(stage, 0, f"only on the {'old' if new_folder is None else 'new'} side"))
            continue
        pairs = paired(files(old_folder), files(new_folder))
        differences = [text for name, a, b in pairs if (text := compare_files(name, a, b))]
        rest = f" (and {len(differences) - 1} more files)" if len(differences) > 1 else ""
        rows.append(Compared(stage, len(pairs), differences[0] + rest if differences else ""))
    return rows


def stages(run: Path) -> dict[str, Path]:
    """Folders with a result.json, by their path in the run."""
    return {str(path.parent.relative_to(run)): path.parent for path in sorted(run.rglob("result.json"))}


def files(stage: Path) -> dict[str, Path]:
    """What is compared of a stage's folder but for stages inside it, by its path in the folder."""
    paths = {}
    for folder, subfolders, names in os.walk(stage):
        path = Path(folder)
        subfolders[:] = [name for name in subfolders if not (path / name / "result.json").exists()]
        if path.name == "checkpoints" and (steps := [int(name) for name in subfolders if name.isdecimal()]):
            paths[str(path.relative_to(stage) / WEIGHTS)] = path / str(max(steps)) / "state"
            subfolders.clear()
            continue
        paths |= {str((path / name).relative_to(stage)): path / name for name in names if FILES.search(name)}
    return dict(sorted(paths.items()))


def compare_files(name: str, old: Path | None, new: Path | None) -> str:
    """The first difference between two files, "" where they are equal."""
    if old is None or new is None:
        return f"{name}: only on the {'old' if new is None else 'new'} side"
    for array, old_values, new_values in paired(read(old), read(new)):
        if old_values is None and (Path(name).name, array) in ADDED:
            continue
        if old_values is None or new_values is None:
            return f"{name}: {array} only on the {'old' if new_values is None else 'new'} side"
        if difference := compare_arrays(old_values, new_values):
            return f"{name}: {array}: {difference}"
    return ""


def compare_arrays(old: np.ndarray, new: np.ndarray) -> str:
    """How two arrays differ, "" where all their bits are equal or both are NaN."""
    if (old.dtype, old.shape) != (new.dtype, new.shape):
        return f"{old.dtype} {old.shape} became {new.dtype} {new.shape}"
    mask = np.asarray(old != new)
    if floating := old.dtype.kind == "f" or old.dtype.name == "bfloat16":
        bits = f"u{old.dtype.itemsize}"
        mask = (old.view(bits) != new.view(bits)) & ~(np.isnan(old) & np.isnan(new))
    if not mask.any():
        return ""
    text = f"{mask.sum()} of {mask.size} values"
    if floating or old.dtype.kind in "iu":
        return f"{text}, max abs difference {np.abs(old[mask].astype(float) - new[mask].astype(float)).max():.3g}"
    return f"{text}, first {old[mask][0]!s:.40} became {new[mask][0]!s:.40}"


def paired(old: dict[str, Value], new: dict[str, Value]) -> list[tuple[str, Value | None, Value | None]]:
    """Name, old and new value of all names; None where a side has none. A renamed one has its new name."""
    old = {name if name in new else renamed(name): value for name, value in old.items()}
    return [(name, old.get(name), new.get(name)) for name in dict.fromkeys([*old, *new])]


def renamed(name: str) -> str:
    """The name that the new side has for it."""
    for pattern, replacement in RENAMED:
        name = re.sub(pattern, replacement, name)
    return name


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file, by name: a table's bytes, a leaf of JSON or a checkpoint's parameter each."""
    if path.name == "state":
        return read_weights(path)
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return dict(arrays)
    if path.suffix == ".npy":
        return {"array": np.load(path, mmap_mode="r")}
    if path.suffix == ".csv":
        return {"bytes": np.frombuffer(path.read_bytes(), np.uint8)}
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return dict(leaves([json.loads(line) for line in text.splitlines()], "row"))
    content = json.loads(text)
    if path.name == "result.json":
        content = {key: content[key] for key in ("metrics", "last") if key in content}
    return dict(leaves(content, ""))


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Parameters and batch statistics of a checkpoint, as it was written, on whatever devices there are now."""
    import jax  # here, or a process that compares tables only would wait for it
    import orbax.checkpoint as ocp

    with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
        tree = reader.metadata(path.resolve()).item_metadata.tree
        shapes = {part: tree[part] for part in ("params", "batch_stats") if part in tree}
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), shapes)
        args = ocp.args.PyTreeRestore(shapes, restore_args=as_numpy, partial_restore=True)
        weights = reader.restore(path.resolve(), args=args)
    named = jax.tree_util.tree_leaves_with_path(weights)
    return {jax.tree_util.keystr(keys, simple=True, separator="/"): np.asarray(leaf) for keys, leaf in named}


def leaves(value: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Name and array of every leaf of JSON, but times; a list of plain values is one leaf."""
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(x, dict | list) for x in value)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if not TIMES.search(str(key)):
                yield from leaves(inner, f"{name}/{key}" if name else str(key))
    else:
        array = np.asarray(value)
        yield name, array if array.dtype != object else np.asarray(json.dumps(value))
