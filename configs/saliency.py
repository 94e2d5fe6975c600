"""Where a trained classifier looks (post, section 4.1).

    python -m whale_jax.main --config=configs/saliency.py:runs/small/naive_classifier --workdir=runs/saliency

The part after the colon is the folder of a trained classifier.
"""

from whale_jax.workflow import stage


def get_config(network="runs/small/naive_classifier"):
    """The config of `saliency`; `network` is the folder of a trained classifier."""
    return stage.config("saliency", inputs={"network": network})
