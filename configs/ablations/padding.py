"""How much sea around the head should a boxed head show (post, section 4.2)?

    python -m whale_jax.main --config=configs/ablations/padding.py:runs/small --workdir=runs/ablations/padding

8 trainings, 31 min of one core beside other work. Log loss, calibrated, 5.91, 5.94, 5.95 and 5.96 with 0, 10, 25 and
50 % (2 seeds, s.d. at most 0.003); the share of each whale in the training photos gives 5.93. So little training learns
next to nothing of heads at any heading.
"""

from configs import ablations, post

PERCENT = (0, 10, 25, 50)  # of the box's sides, on each side


def get_config(root="runs/small"):
    """The small classifier on heads in the boxes of the localizer's stage 2."""
    base = ablations.small(root, "small", size=(56, 56))
    base.task.augmentation = post.HEAVY
    views = {
        f"padding_{percent}_percent": ablations.view(
            root, "box", (68, 68), f"{root}/localizer_refined", padding=percent / 100
        )
        for percent in PERCENT
    }
    changes = {f"{percent} %": {"inputs.view": view} for percent, view in zip(PERCENT, views, strict=True)}
    return ablations.ablate(base, changes, views=views)
