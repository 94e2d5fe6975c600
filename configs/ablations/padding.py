"""How much of the sea around the head should a boxed head show (post, section 4.2)?

python -m whale_jax.main --config=configs/ablations/padding.py:runs/small --workdir=runs/ablations/padding
"""

from configs import ablations, classifier

PADDINGS = (0.0, 0.1, 0.25, 0.5)


def get_config(root="runs/small"):
    """The small classifier on heads boxed by the localizer's second look."""
    base = ablations.small(root, view="boxed", size=(90, 90))
    base.task.augmentation = classifier.HEAVY
    views = {
        f"padding_{round(100 * padding)}_percent": ablations.view(root, "box", (112, 112), "localizer_refined", padding=padding)
        for padding in PADDINGS
    }
    return ablations.ablate(base, [{"inputs.view": name} for name in views], views=views)
