"""Finished runs side by side, of one program and one split: `:runs/a,runs/b`, or the folder of a sweep.

    python -m whale_jax.main --config=configs/compare.py:runs/a,runs/b --workdir=runs/compared

The table is printed, and stands in table.md of the workdir.
"""

from pathlib import Path

from launch import sweep
from whale_jax.workflow import stage


def get_config(folders=""):
    """The config of `compare`; commas separate `folders`. For a sweep, it also lists the runs that are not done."""
    paths = [folder for folder in folders.split(",") if folder]
    if len(paths) == 1 and (Path(paths[0]) / "runs.jsonl").exists():
        return stage.config("compare", **sweep.compared(Path(paths[0])))
    return stage.config("compare", inputs={f"run{i}": path for i, path in enumerate(paths)})
