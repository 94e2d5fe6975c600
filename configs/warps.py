"""Test-time augmentation of a trained aligner (post, section 4.3.1): `configs/warps.py:runs/small/aligner`.

python -m whale_jax.main --config=configs/warps.py:runs/small/aligner --workdir=runs/small/aligner_warps

--config.most=300 measures 300 photos in place of all.
"""

from whale_jax.programs import stage


def get_config(network=""):
    """The config of `warps`; `network` is the folder of a finished aligner."""
    return stage.config("warps", inputs={"network": network})
