"""Finished runs side by side, of one program and one split: `configs/compare.py:runs/a,runs/b`, or a sweep's folder.

python -m whale_jax.main --config=configs/compare.py:runs/a,runs/b --workdir=runs/compared
"""

from pathlib import Path

from launch import sweep
from whale_jax.workflow import stage


def get_config(folders=""):
    """The config of `compare`; `folders` are separated by commas. Of a sweep, it tells also what is not done."""
    paths = [folder for folder in folders.split(",") if folder]
    if len(paths) == 1 and (Path(paths[0]) / "runs.jsonl").exists():
        return stage.config("compare", **sweep.compared(Path(paths[0])))
    return stage.config("compare", inputs={f"run{i}": path for i, path in enumerate(paths)})
