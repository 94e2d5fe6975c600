"""Where a trained classifier looks (post, section 4.1): `configs/saliency.py:runs/small/naive_classifier`.

python -m whale_jax.main --config=configs/saliency.py:runs/small/naive_classifier --workdir=runs/small/naive_saliency
"""

from whale_jax.workflow import stage


def get_config(network=""):
    """The config of `saliency`; `network` is the folder of a trained classifier."""
    return stage.config("saliency", inputs={"network": network})
