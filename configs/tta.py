"""What test-time augmentation gains for a trained aligner (post, section 4.3.1).

    python -m whale_jax.main --config=configs/tta.py:runs/small/aligner --workdir=runs/tta

--config.max_photos=200 measures 200 photos in place of all: 7 min on two cores. Median error 0.101, 0.088, 0.087 and
0.091 of a head length by 1, 8, 32 and 243 warps: more than eight gain nothing.

The part after the colon is the folder of a finished aligner.
"""

from whale_jax.workflow import stage


def get_config(network="runs/small/aligner"):
    """The config of `tta`; `network` is the folder of a finished aligner."""
    return stage.config("tta", inputs={"network": network})
