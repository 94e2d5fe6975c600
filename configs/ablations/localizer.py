"""Which loss teaches the head localizer most: squared error, (G)IoU, or softmax over bins (post, section 4.2.1)?

    python -m whale_jax.main --config=configs/ablations/localizer.py:runs/small --workdir=runs/ablations/localizer

12 trainings, 67 min of one core beside other work. Mean IoU 0.68 by bins (0.64 where pictures are turned), 0.55 by IoU
and GIoU, 0.50 by squared error where the network begins with a box in the middle as it does for IoU and GIoU, 0.20
where it does not (2 seeds, s.d. at most 0.007). IoU and GIoU learn nothing without that box.
"""

from configs import ablations, localizer
from whale_jax.programs import crossfit

LIGHT = localizer.SMALL["task"]["augmentation"]
DENSE = {"task.bins": 0, "model.head": "dense"}
FROM_THE_MIDDLE = {"task.bins": 0, "model.head": "still"}  # begins with a box that most heads overlap


def get_config(root="runs/small"):
    """One subfold of the small localizer on whole photos; bins have the score map, coordinates a dense layer."""
    all_subfolds = localizer.get_config("small", inputs=ablations.inputs(root, f"{root}/whole"), num_evals=8)
    changes = {
        "softmax over bins": {},
        "softmax over bins, heads turned by up to 15 degrees": {"task.augmentation": f"rotate(15)|{LIGHT}"},
        "squared error": {**DENSE, "task.loss": "squared_error"},
        "IoU": {**FROM_THE_MIDDLE, "task.loss": "iou"},
        "GIoU": {**FROM_THE_MIDDLE, "task.loss": "giou"},
        "squared error, from a box in the middle": {**FROM_THE_MIDDLE, "task.loss": "squared_error"},
    }
    return ablations.ablate(crossfit.subfold_config(all_subfolds, 0), changes)
