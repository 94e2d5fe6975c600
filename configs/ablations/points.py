"""What do the aligner's errors cost the classifier? Heads turned by predicted points, and by annotated ones.

    python -m whale_jax.main --config=configs/ablations/points.py:runs/small --workdir=runs/ablations/points

4 trainings, 12 min on one core. Predicted against annotated points: top-1 4.7 and 4.3 %, log loss, calibrated, 5.35 and
5.23 (2 seeds, s.d. at most 0.013).
"""

from configs import ablations


def get_config(root="runs/small"):
    """The small classifier on heads aligned by the points of stage 3, and on heads aligned by the annotations."""
    views = {
        "predicted": ablations.view(root, "head", (48, 96), f"{root}/third"),
        "annotated": ablations.view(root, "head", (48, 96)),
    }
    changes = {f"{name} points": {"inputs.view": name} for name in views}
    return ablations.ablate(ablations.small(root, "small"), changes, views=views)
