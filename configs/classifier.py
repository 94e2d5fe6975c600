"""The classifier (post, sections 4.1 to 4.3): one network on any view - whole photos, boxed heads, aligned heads.

    --config=configs/classifier.py:vgg19     the post's 19-layer OxfordNet, 256 x 256 pixels, for a GPU
    --config=configs/classifier.py:resnet67  its very deep and very thin residual network
    --config=configs/classifier.py:small     a thin residual network for two CPU cores

Set inputs.photos, inputs.split and inputs.view to the folders of those stages.
"""

from configs import networks
from whale_jax import registry
from whale_jax.programs import stage

# "Minimal augmentation": the released code's ranges, where the post gives none.
MINIMAL = "flip_ud|scale(0.5,1.5)|translate(0.25)|shear(5.73)|rotate(30)|gamma(0.8,1.2,p=0.5)"

# What a network needs that sees whales at any heading, in whole photos and in boxes.
HEAVY = "flip_ud|rotate(180)|scale(0.75,1.33)|translate(0.1)|shear(6)|gamma(0.7,1.4)"

VGG19 = {
    "task": {"name": "classify", "augmentation": MINIMAL},
    "model": networks.VGG19_128,
    "size": (256, 256),
    "batch": 32,
    "epochs": 500.0,
    "evaluations": 250,
    "patience": 50,
    "optimizer": {"name": "adam", "lr": 1e-3, "end_lr": 1e-5, "schedule": "linear", "l2": 1e-5},
}
RESNET67 = {
    **VGG19,
    "model": networks.RESNET67,
    "batch": 16,
    "optimizer": {"name": "adam", "lr": 1e-3, "l2": 1e-6},
}
SMALL = {
    **VGG19,
    "task": {
        "name": "classify",
        # A mirrored whale keeps its name: twice the photos. After 20 epochs log loss 5.60 in place of 5.74.
        "augmentation": "flip_ud|rotate(15)|scale(0.85,1.2)|translate(0.06)|shear(6)|gamma(0.7,1.4)",
        "colour": False,  # the water's tells the flight, not the whale: 5.70 in place of 5.74
    },
    "model": {**networks.THIN, "stem": (32, 7, 2), "stages": ((48, 2), (96, 2), (192, 2)), "dropout": 0.5},
    "size": (112, 112),
    "batch": 64,
    "epochs": 45.0,
    "evaluations": 15,
    "patience": 0,
    "optimizer": {"name": "adam", "lr": 1e-3, "schedule": "cosine", "warmup": 0.05, "weight_decay": 0.02},
}
DEMO = {
    **SMALL,
    "task": {"name": "classify", "augmentation": "rotate(15)|scale(0.85,1.2)|translate(0.06)|shear(6)|gamma(0.7,1.4)"},
    "model": {**networks.THIN, "dropout": 0.5},
    "batch": 32,
    "evaluations": 9,
    "optimizer": {**SMALL["optimizer"], "lr": 3e-3, "warmup": 0.1},
}
PRESETS = {"vgg19": VGG19, "resnet67": RESNET67, "small": SMALL, "demo": DEMO}


def get_config(preset="small", **changes):
    """The classifier's config."""
    return stage.config("train", **{**registry.lookup("preset", PRESETS, preset), **changes})
