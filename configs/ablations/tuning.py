"""Do margins, mirrored whales and released weights pay where a network has time to learn? A change a row.

    python -m whale_jax.main --config=configs/ablations/tuning.py:runs/crops --workdir=runs/ablations/tuning

The recipe of configs/ablations/heads.py, whose 8 epochs are too few for margins, for 16: 12 trainings, of about 9 min
of two cores each. The thin residual network from nothing may take as long. (Not run yet.)
"""

from configs import ablations, classifier
from configs.ablations import heads

PLAN = {"epochs": 16.0, "num_evals": 4}
SMALLER = (40, 80)
COSINES = {"model.head": "gem_cosine"}
CHANGES = {
    "mirror images as whales of their own": {},
    "mirror images with the same label": {"task.mirrored": False},
    "no mirror images": {"task.mirrored": False, "task.augmentation": classifier.LIGHT.removeprefix("flip_ud|")},
    "cosines of GeM, no margin": {"task": {**heads.MARGINS, "margin": 0.0, "least_margin": 0.0}, **COSINES},
    "cosines of GeM, margins": {"task": heads.MARGINS, **COSINES},
}


def get_config(root="runs/crops"):
    """The recipe for twice as long, its changes, and the best network from nothing of its size, on ready crops."""
    thin = ablations.small(
        root, "crops_dense", view="smaller", size=SMALLER, dropout=classifier.CROPS["model"]["dropout"], epochs=64.0
    )
    changes = {**CHANGES, "thin ResNet from nothing": thin}
    sizes = {"heads": heads.SMALL, "smaller": SMALLER}
    return heads.compare(root, changes, sizes=sizes, augmentation=classifier.LIGHT, **PLAN)
