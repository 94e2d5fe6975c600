"""What does it cost a classifier that its heads are aligned by predicted points, not by annotated ones?

python -m whale_jax.main --config=configs/ablations/points.py:runs/small --workdir=runs/ablations/points

Not run yet: 6 trainings.
"""

from configs import ablations


def get_config(root="runs/small"):
    """The small classifier on heads aligned by the third look, and by annotations."""
    views = {
        "annotated": ablations.view(root, "head", (96, 192)),
        "predicted": ablations.view(root, "head", (96, 192), "third"),
    }
    return ablations.ablate(ablations.small(root), [{"inputs.view": name} for name in views], views=views)
