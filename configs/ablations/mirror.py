"""Does a whale mirrored across its axis count as itself, and does the network need colour?

python -m whale_jax.main --config=configs/ablations/mirror.py:runs/small --workdir=runs/ablations/mirror

Not run yet: 12 trainings.
"""

from configs import ablations


def get_config(root="runs/small"):
    """The small classifier on aligned heads."""
    base = ablations.small(root)
    with_mirror = base.task.augmentation
    without = with_mirror.replace("flip_ud|", "")
    changes = [
        {"task.augmentation": spec, "task.colour": colour}
        for spec in (without, with_mirror)
        for colour in (True, False)
    ]
    return ablations.ablate(base, changes)
