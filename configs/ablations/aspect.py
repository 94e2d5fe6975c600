"""Heads at their true aspect or squashed to a square (post, section 4.3), at one number of pixels?

python -m whale_jax.main --config=configs/ablations/aspect.py:runs/small --workdir=runs/ablations/aspect

Not run yet: 6 trainings.
"""

from configs import ablations


def get_config(root="runs/small"):
    """The small classifier on aligned heads."""
    views = {"squashed": ablations.view(root, "head", (136, 136), "third")}
    changes = [{"size": (64, 128)}, {"size": (90, 90), "inputs.view": "squashed"}]
    return ablations.ablate(ablations.small(root), changes, views=views)
