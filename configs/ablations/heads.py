"""Which recipe names an aligned head best, where the backbone knows pictures already? A change a row.

    python -m whale_jax.main --config=configs/ablations/heads.py:runs/crops --workdir=runs/ablations/heads

EfficientNet-Lite0 on 64 x 128 pixels for 8 epochs, two seeds: 4 to 9 min of two cores a training, 3.4 h in all, some of
it beside other work. It names 14 %, without ImageNet's weights 0.8 %, in twice the time 29 %. One table says what the
networks name, the other what is named by the photo whose features are nearest. Without the optional package of weights
every row is from nothing (requirements-pretrained.txt).
"""

from configs import ablations, classifier, crops

PLAN = {"epochs": 8.0, "num_evals": 2}
SMALL, LARGE = (64, 128), (96, 192)


MARGINS = {  # of Happywhale's winners: sub-centres, and larger margins for whales of few photos
    **classifier.LITE0_MARGIN["task"],
    "augmentation": classifier.LIGHT,
    "scale": 20.9,
    "margin": 0.271,
    "rarity": 0.364,
    "least_margin": 0.05,
    "centers": 2,
}


def backbone(lr):
    """The rate of all but the head, as a share of the head's."""
    return {"optimizer.groups": (("(?!head/).*", {"lr": lr}),)}


CHANGES = {
    "the recipe": {},
    "from nothing": {"pretrained": "", **backbone(1.0)},
    "average": {"model.head": "average"},
    "GeM": {"model.head": "gem"},
    "dense on the map": {"model.head": "dense"},
    "margins, GeM": {"task": MARGINS, "model.head": "gem_cosine"},
    "mirror images with the same label": {"task.mirrored": False},
    "strong augmentation": {"task.augmentation": classifier.STRONG},
    "backbone at a tenth": backbone(0.1),
    "no smoothing": {"task.smoothing": 0.0},
    "average of weights": {"ema": 0.99},
    "twice as long": {"epochs": 2 * PLAN["epochs"]},
    "larger pictures": {"size": LARGE, "inputs.view": "larger"},
    "larger pictures after small ones": {
        "size": LARGE,
        "inputs.view": "larger",
        "epochs": PLAN["epochs"] / 2,
        "pretrained": "",
        "inputs.weights": "the recipe",
        "init": "partial",  # the dense layer begins anew: the map that it sees is larger
    },
}


def get_config(root="runs/crops"):
    """The recipe and its changes on ready crops, two tables."""
    return compare(root, CHANGES, sizes={"heads": SMALL, "larger": LARGE}, **PLAN)


def compare(root, changes, *, sizes, **plan):
    """Trains the recipe with each change, on views of these sizes, and searches by the features of each."""
    steps = ablations.search(photos=f"{root}/photos", split=f"{root}/split")
    views = {
        name: ablations.view(root, "whole", crops.view_size(size, classifier.STRONG)) for name, size in sizes.items()
    }
    dropout = classifier.LITE0["model"]["dropout"]
    base = ablations.small(root, "crops_lite0", size=SMALL, dropout=dropout, **plan)
    return ablations.ablate(base, changes, views=views, then=steps, compare_trainings=True)
