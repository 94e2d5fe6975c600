"""How fast does the head localizer learn by squared error, by (G)IoU, and by softmax over bins (post, section 4.2.1)?

python -m whale_jax.main --config=configs/ablations/localizer.py:runs/small --workdir=runs/ablations/localizer

12 trainings, 35 min on one core. Mean IoU 0.68 by bins (0.64 where pictures are turned), 0.55 by IoU and GIoU, 0.50
by squared error where the network begins with a box in the middle as those two do, 0.20 where it does not (2 seeds,
s.d. at most 0.009). IoU and GIoU learn nothing without.
"""

from configs import ablations, localizer
from whale_jax.programs import crossfit

LIGHT = localizer.SMALL["task"]["augmentation"]


def get_config(root="runs/small"):
    """One part of the small localizer's, on whole photos; bins have the score map, coordinates a dense layer."""
    both = localizer.get_config("small", inputs=ablations.inputs(root, f"{root}/whole"), num_evals=8)
    base = crossfit.subfold_config(both, 0)
    overlap = {"task.bins": 0, "model.head": "still"}  # which begins with a box that most heads overlap
    changes = {
        "softmax over bins": {},
        "softmax over bins, heads turned by up to 15 degrees": {"task.augmentation": f"rotate(15)|{LIGHT}"},
        "squared error": {"task.bins": 0, "model.head": "dense", "task.loss": "squared_error"},
        "IoU": {**overlap, "task.loss": "iou"},
        "GIoU": {**overlap, "task.loss": "giou"},
        "squared error, from a box in the middle": {**overlap, "task.loss": "squared_error"},
    }
    return ablations.ablate(base, changes)
