"""Do margins and mirrored whales pay where a fine-tuned network has time to learn? And does a network from nothing?

    python -m whale_jax.main --config=configs/ablations/tuning.py:runs/crops --workdir=runs/ablations/tuning

The recipe of configs/ablations/heads.py, whose 8 epochs are too few for margins, for 16: 10 trainings of 25 min of one
core each; the thin residual network is given that time, for 64 epochs of smaller pictures. Where mirror images are
whales of their own, a photo is answered by its mirror image as well. Top-1: mirror images as whales of their own 32 %,
with the same label 30 %, cosines of GeM with margins 20 %, without 18 %, the thin network from nothing 39 %.
"""

from configs import ablations, classifier
from configs.ablations import heads

PLAN = {"epochs": 16.0, "num_evals": 4}
SMALLER = (40, 80)
COSINES = {**heads.MARGINS, "smoothing": 0.1}  # as the recipe smooths its labels
CHANGES = {
    "mirror images as whales of their own": {},
    "mirror images with the same label": {"task.mirrored": False},
    "cosines of GeM, no margin": {
        "task": {**COSINES, "margin": 0.0, "least_margin": 0.0},
        "model.head": "gem_cosine",
    },
    "cosines of GeM, margins": {"task": COSINES, "model.head": "gem_cosine"},
}


def get_config(root="runs/crops"):
    """The recipe for twice as long, its changes, and a thin network from nothing, on ready crops."""
    dropout = classifier.CROPS["model"]["dropout"]
    thin = ablations.small(root, "crops_dense", view="smaller", size=SMALLER, dropout=dropout, epochs=64.0)
    changes = {**CHANGES, "thin ResNet from nothing": thin}
    return heads.compare(root, changes, sizes={"heads": heads.SMALL, "smaller": SMALLER}, **PLAN)
