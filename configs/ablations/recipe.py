"""What of the classifier's recipe matters (post, sections 4.3, 5 and 5.1)? One change a row.

python -m whale_jax.main --config=configs/ablations/recipe.py:runs/small --workdir=runs/ablations/recipe

Not run yet: 54 trainings.
"""

from typing import Any

from configs import ablations, classifier

UPRIGHT = "|".join(step for step in classifier.MINIMAL.split("|") if not step.startswith("rotate"))


def rate(lr: float) -> dict[str, Any]:
    """Another learning rate; what the weights decay by a step, their product, stays."""
    base = classifier.SMALL["optimizer"]
    return {"optimizer.lr": lr, "optimizer.weight_decay": base["weight_decay"] * base["lr"] / lr}


CHANGES = {
    "the recipe": {},
    "no dropout": {"model.dropout": 0.0},
    "dropout 0.8": {"model.dropout": 0.8},
    "no augmentation": {"task.augmentation": ""},
    "light augmentation": {"task.augmentation": classifier.LIGHT},
    "heavy augmentation": {"task.augmentation": classifier.HEAVY},
    "no rotation": {"task.augmentation": UPRIGHT},
    "no mirror image": {"task.augmentation": classifier.MINIMAL.removeprefix("flip_ud|")},
    "colour": {"task.colour": True},
    "Adam at 3e-3": rate(3e-3),
    "Nesterov at 3e-2": rate(3e-2) | {"optimizer.name": "nesterov"},
    "Nesterov at 1e-1": rate(1e-1) | {"optimizer.name": "nesterov"},
    "constant learning rate": {"optimizer.schedule": "constant"},
    "squashed to a square": {"size": (68, 68), "inputs.view": "squashed"},
    "half the pixels, twice the epochs": {"size": (34, 68), "epochs": 40.0},
    "half the filters, twice the epochs": {"model.stages": ((24, 2), (48, 2), (96, 2)), "epochs": 40.0},
    "dense head": {"model.head": "dense"},
    "annotated points": {"inputs.view": "annotated"},
}


def get_config(root="runs/small"):
    """The small classifier on aligned heads; views of other shapes have as many pixels."""
    views = {
        "squashed": ablations.view(root, "head", (136, 136), "third"),
        "annotated": ablations.view(root, "head", (96, 192)),
    }
    return ablations.ablate(ablations.small(root), CHANGES, views=views)
