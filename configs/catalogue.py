"""What have I got? A folder of photos, understood and listed; nothing is learned from it.

python -m whale_jax.main --config=configs/catalogue.py --config.data.root=PHOTOS --workdir=runs/catalogue
"""

from whale_jax.workflow import stage


def get_config():
    """The config of `catalogue`; data.root is the folder of photos."""
    return stage.config("catalogue")
