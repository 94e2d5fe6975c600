"""How much dropout before the last layer (post: 0.5 to 0.8)?

python -m whale_jax.main --config=configs/ablations/dropout.py:runs/small --workdir=runs/ablations/dropout

Not run yet: 9 trainings.
"""

from configs import ablations


def get_config(root="runs/small"):
    """The small classifier on aligned heads."""
    return ablations.ablate(ablations.small(root), [{"model.dropout": rate} for rate in (0.0, 0.5, 0.8)])
