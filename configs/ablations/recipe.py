"""What matters in the classifier's recipe (post, sections 4.3, 5 and 5.1)? A change a row.

    python -m whale_jax.main --config=configs/ablations/recipe.py:runs/crops --workdir=runs/ablations/recipe

36 trainings, 2.3 h of one core. Log loss, calibrated: the recipe 4.58, dense head 3.80, half the pixels and twice the
epochs 3.83, no dropout 4.01, Nesterov at 1e-1 4.06, heavy augmentation 5.64 (2 seeds, s.d. 0.02, 0.08, 0.04, 0.01,
0.08 and 0.00).
"""

from typing import Any

from configs import ablations, classifier, post

UPRIGHT = "|".join(step for step in classifier.LIGHT.split("|") if not step.startswith("rotate"))


def rate(lr: float) -> dict[str, Any]:
    """Another learning rate. Its product with the weight decay, by which the weights shrink in a step, stays."""
    base = classifier.SMALL["optimizer"]
    return {"optimizer.lr": lr, "optimizer.weight_decay": base["weight_decay"] * base["lr"] / lr}


CHANGES = {
    "the recipe": {},
    "half the pixels, twice the epochs": {"size": (28, 56), "inputs.view": "smaller", "epochs": 32.0},
    "twice the pixels, half the epochs": {"size": (56, 112), "inputs.view": "larger", "epochs": 8.0},
    "half the filters, twice the epochs": {"model.stages": ((24, 2), (48, 2), (96, 2)), "epochs": 32.0},
    "squashed to a square": {"size": (56, 56), "inputs.view": "squashed"},
    "no dropout": {"model.dropout": 0.0},
    "dropout 0.8": {"model.dropout": 0.8},
    "no augmentation": {"task.augmentation": ""},
    "minimal augmentation": {"task.augmentation": post.MINIMAL},
    "heavy augmentation": {"task.augmentation": post.HEAVY},
    "no rotation": {"task.augmentation": UPRIGHT},
    "no mirror image": {"task.augmentation": classifier.LIGHT.removeprefix("flip_ud|")},
    "no colour": {"task.colour": False},
    "Adam at 3e-3": rate(3e-3),
    "Nesterov at 3e-2": rate(3e-2) | {"optimizer.name": "nesterov"},
    "Nesterov at 1e-1": rate(1e-1) | {"optimizer.name": "nesterov"},
    "constant learning rate": {"optimizer.schedule": "constant"},
    "dense head": {"model.head": "dense"},
}
VIEWS = {"heads": (48, 96), "smaller": (34, 68), "larger": (68, 136), "squashed": (68, 68)}


def get_config(root="runs/crops"):
    """The small classifier of ready crops, which are whole pictures; the square has as many pixels as the oblong."""
    views = {name: ablations.view(root, "whole", size) for name, size in VIEWS.items()}
    return ablations.ablate(ablations.small(root, dropout=0.5), CHANGES, views=views)
