"""How much of the sea around the head should a boxed head show (post, section 4.2)?

python -m whale_jax.main --config=configs/ablations/padding.py:runs/small --workdir=runs/ablations/padding

Not run yet: 8 trainings.
"""

from configs import ablations, classifier

PERCENT = (0, 10, 25, 50)  # of the box's sides, on each side


def get_config(root="runs/small"):
    """The small classifier on heads boxed by the localizer's second look."""
    base = ablations.small(root, "small", size=(56, 56))
    base.task.augmentation = classifier.HEAVY
    views = {
        f"padding_{percent}_percent": ablations.view(root, "box", (68, 68), "localizer_refined", padding=percent / 100)
        for percent in PERCENT
    }
    changes = {f"{percent} %": {"inputs.view": view} for percent, view in zip(PERCENT, views, strict=True)}
    return ablations.ablate(base, changes, views=views)
