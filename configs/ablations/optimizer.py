"""Adam or Nesterov's momentum (post, section 5), each at the better of two learning rates?

python -m whale_jax.main --config=configs/ablations/optimizer.py:runs/small --workdir=runs/ablations/optimizer

Not run yet: 12 trainings.
"""

from configs import ablations


def get_config(root="runs/small"):
    """The small classifier on aligned heads."""
    rates = {"adam": (1e-3, 3e-3), "nesterov": (3e-2, 1e-1)}
    changes = [{"optimizer.name": name, "optimizer.lr": rate} for name in rates for rate in rates[name]]
    return ablations.ablate(ablations.small(root), changes)
