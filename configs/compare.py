"""Finished runs side by side: `configs/compare.py:runs/a,runs/b`, of one program and one split.

python -m whale_jax.main --config=configs/compare.py:runs/a,runs/b --workdir=runs/compared
"""

from whale_jax.programs import stage


def get_config(folders=""):
    """The config of `compare`; `folders` are separated by commas."""
    paths = [folder for folder in folders.split(",") if folder]
    return stage.config("compare", inputs={f"run{i}": path for i, path in enumerate(paths)})
