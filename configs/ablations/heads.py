"""Which recipe names an aligned head best, where the backbone knows pictures already? A change a row.

    python -m whale_jax.main --config=configs/ablations/heads.py:runs/crops --workdir=runs/ablations/heads

EfficientNet-Lite0 on 64 x 128 pixels for 10 epochs, two seeds; not run yet. One table says what the networks name, the
other what is named by the photo whose features are nearest. Without the optional package of weights every row is from
nothing (requirements-pretrained.txt).
"""

from configs import ablations, classifier, crops
from whale_jax.workflow import stage

PLAN = {"epochs": 10.0, "num_evals": 2}
SMALL, LARGE = (64, 128), (96, 192)


def margin(**task):
    """ArcFace in place of the softmax: of the average, unless the head is another."""
    task = {**classifier.LITE0_MARGIN["task"], "augmentation": classifier.LIGHT, **task}
    return {"task": task, "model.head": "cosine"}


def backbone(**options):
    """What the optimiser does with all but the head."""
    return {"optimizer.groups": (("(?!head/).*", options),)}


UPRIGHT = classifier.LIGHT.removeprefix("flip_ud|")
GEM = {"model.head": "gem_cosine"}
CHANGES = {
    "the recipe": {},
    "from nothing": {"pretrained": "", **backbone(lr=1.0)},
    "average": {"model.head": "average"},
    "GeM": {"model.head": "gem"},
    "dense on the map": {"model.head": "dense"},
    "margin": margin(),
    "margin, smoothing": margin(smoothing=0.1),
    "margin, GeM": margin() | GEM,
    "margin, GeM, moderate augmentation": margin(augmentation=classifier.MODERATE) | GEM,
    "margins of Happywhale, GeM": margin(scale=20.9, margin=0.271, rarity=0.364, least_margin=0.05, centers=2) | GEM,
    "mirror images with the same label": {"task.mirrored": False},
    "no mirror images": {"task.mirrored": False, "task.augmentation": UPRIGHT},
    "moderate augmentation": {"task.augmentation": classifier.MODERATE},
    "strong augmentation": {"task.augmentation": classifier.STRONG},
    "erasing": {"task.augmentation": f"{classifier.LIGHT}|erase(0.3,p=0.5)"},
    "backbone as fast as the head": backbone(lr=1.0) | {"optimizer.lr": 1e-3},
    "backbone at a tenth": backbone(lr=0.1),
    "no smoothing": {"task.smoothing": 0.0},
    "average of weights": {"ema": 0.99},
    "twice as long": {"epochs": 20.0},
    "larger pictures": {"size": LARGE, "inputs.view": "larger"},
    "larger pictures after small ones": {
        "size": LARGE,
        "inputs.view": "larger",
        "epochs": 5.0,
        "pretrained": "",
        "inputs.weights": "the recipe",
    },
}


def get_config(root="runs/crops"):
    """The recipe and its changes on ready crops, two tables."""
    data = {"photos": f"{root}/photos", "split": f"{root}/split"}
    steps = (
        ("features", lambda network: stage.config("extract", inputs={"network": network}, weights="last")),
        ("search", lambda features: stage.config("retrieve", inputs={**data, "features": features})),
    )
    views = {
        name: ablations.view(root, "whole", crops.view_size(size, classifier.STRONG))
        for name, size in {"heads": SMALL, "larger": LARGE}.items()
    }
    dropout = classifier.LITE0["model"]["dropout"]
    base = ablations.small(root, "crops_lite0", size=SMALL, dropout=dropout, **PLAN)
    return ablations.ablate(base, CHANGES, views=views, then=steps, compare_trainings=True)
