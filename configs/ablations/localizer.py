"""How fast does the head localizer learn by squared error, by (G)IoU, and by softmax over bins (post, section 4.2.1)?

python -m whale_jax.main --config=configs/ablations/localizer.py:runs/small --workdir=runs/ablations/localizer

Not run yet: 8 trainings.
"""

from configs import ablations, localizer
from whale_jax.programs import crossfit


def get_config(root="runs/small"):
    """One part of the small localizer's, on whole photos; bins have the score map, coordinates a dense layer."""
    both = localizer.get_config("small", inputs=ablations.inputs(root, f"{root}/whole"), evaluations=8)
    base = crossfit.part_config(both, 0)
    overlap = {"task.bins": 0, "model.head": "still"}  # which begins with a box that most heads overlap
    changes = {
        "softmax over bins": {},
        "squared error": {"task.bins": 0, "model.head": "dense", "task.objective": "squared"},
        "IoU": {**overlap, "task.objective": "iou"},
        "GIoU": {**overlap, "task.objective": "giou"},
    }
    return ablations.ablate(base, changes)
