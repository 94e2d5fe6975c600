"""Calibrates what a finished pipeline found: `configs/calibrate.py:runs/small`.

python -m whale_jax.main --config=configs/calibrate.py:runs/small --workdir=runs/small/calibrated
"""

from whale_jax.programs import stage


def get_config(root=""):
    """The config of `calibrate`; `root` is the folder of a finished pipeline."""
    inputs = {"photos": f"{root}/photos", "split": f"{root}/split", "probabilities": f"{root}/stack"}
    return stage.config("calibrate", inputs=inputs)
