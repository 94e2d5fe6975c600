"""The post's own recipes, one after the other: network, optimiser, batch, augmentation and epochs of each.

    --config=configs/classifier.py:resnet67   trains a classifier of this file on any view
    --config=configs/crops.py:resnet67        the same on ready crops, up to submission.csv
    --config=configs/aligner.py:post, configs/localizer.py:post   train the networks that find the head
    --config=configs/pipeline.py:post         the post's first three approaches, from photos to submission.csv

None was run at its size: each took the author 36 hours on a GPU. Where the post and its released code differ, the
recipe is the post's, and `released` gives the code's. The post shows ResNet-67 alone in full; comments say what is left
open. "stages" holds (filters, convolutions) or, of a residual network, (filters, blocks) of each stage. The stem, where
none is given, is a convolution of 32 filters, 7 x 7, stride 2.
"""

from typing import Any

# "Minimal augmentation" (section 4.3.2) and "heavy" (4.1); the post gives no numbers.
MINIMAL = "flip_ud|rotate(15)|scale(0.85,1.2)|translate(0.06)|shear(6)|gamma(0.7,1.4)"
HEAVY = "flip_ud|rotate(180)|scale(0.75,1.33)|translate(0.1)|shear(6)|gamma(0.7,1.4)"

# What most of the post's classifiers share: training ends after 500 epochs, or where 100 have brought nothing better.
PLAN = {
    "task": {"name": "classify", "augmentation": MINIMAL},
    "size": (256, 256),
    "batch": 16,
    "epochs": 500.0,
    "num_evals": 250,
    "patience": 50,
}
ADAM = {"name": "adam", "lr": 1e-3, "end_lr": 1e-5, "schedule": "linear", "l2": 1e-5}
NESTEROV = {"name": "nesterov", "lr": 1e-1, "end_lr": 1e-3, "schedule": "linear", "momentum": 0.9, "l2": 1e-6}

# Section 4.1, the naive classifier: OxfordNet with dense layers, before batch normalisation. The post gives no widths
# (these are a quarter to a half of the paper's) and no optimiser (this one is VGG-19's).
OXFORD = {
    **PLAN,
    "task": {"name": "classify", "augmentation": HEAVY},
    "model": {
        "name": "vgg",
        "stages": ((32, 2), (64, 2), (128, 3), (256, 3)),
        "reduce": "maxpool",
        "head": "dense",
        "norm": False,
        "dropout": 0.5,
    },
    "batch": 32,
    "optimizer": ADAM,
}

# Section 4.2.1, the localizer: the same network; mean squared error of the box around the transformed mask.
LOCALIZER = {
    "task": {
        "name": "bbox",
        "move": "mask",
        "augmentation": "rotate(180)|scale(0.75,1.25)|translate(0.1875)|shear(6)|gamma(0.7,1.4)",
    },
    "model": OXFORD["model"],
    "size": (256, 256),
    "batch": 32,
    "epochs": 300.0,
    "num_evals": 100,
    "patience": 20,
    "weights": "best",
    "optimizer": ADAM,
}

# Section 4.3.1, the aligner: mean squared error of both points. The post names "rotation, translation, shearing and
# brightness" without numbers; the size of the translation is the released code's.
ALIGNER = {
    "task": {"name": "keypoints", "augmentation": "rotate(180)|translate(0.1875)|shear(6)|gamma(0.7,1.4)"},
    "model": {
        "name": "vgg",
        "stem": (16, 7, 1),
        "stem_pool": 2,
        "stages": ((32, 3), (64, 3), (128, 3), (256, 3)),
        "dropout": 0.5,
    },
    "size": (256, 256),
    "batch": 16,
    "epochs": 500.0,
    "num_evals": 100,
    "patience": 20,
    "weights": "best",
    "optimizer": {"name": "adam", "lr": 1e-4, "l2": 1e-7},
    "tta": {"rotate": (0, 45, 90, 135, 180, 225, 270, 315), "scale": (0.9, 1.0, 1.1)},
}
ALIGNER_RELEASED = {
    **ALIGNER,
    "task": {
        "name": "keypoints",
        "augmentation": "geometric(p=0.5)|scale(0.75,1.25)|translate(0.1875)|rotate(180)",
    },
}

# Section 4.3.2: three OxfordNets of 19 convolutions; the name tells the width of the last stage.
VGG19_128 = {
    **PLAN,
    "model": {"name": "vgg", "stages": ((48, 3), (64, 3), (80, 4), (96, 4), (128, 4)), "dropout": 0.8},
    "batch": 32,
    "optimizer": ADAM,
}
VGG19_192A = {
    **PLAN,
    "model": {"name": "vgg", "stages": ((48, 3), (64, 3), (80, 4), (128, 4), (192, 4)), "dropout": 0.8},
    "batch": 8,
    "optimizer": {**NESTEROV, "lr": 1e-2, "end_lr": 1e-5},
}
VGG19_192B = {
    **PLAN,
    "model": {"name": "vgg", "stages": ((48, 3), (64, 3), (96, 4), (128, 4), (192, 4)), "dropout": 0.8},
    "batch": 32,
    "optimizer": {**NESTEROV, "lr": 1e-2, "end_lr": 1e-5},
}

# Section 5.1: residual networks, named by their convolutions without the shortcuts of 1 x 1. The first one is the
# paper's CIFAR-10 network with n = 3. The post gives no widths: these are twice the paper's, so that it ends with 128
# features as the others do. Its stem is ResNet-67's, because the pictures are eight times as large as CIFAR's. The post
# gives ResNet-19 and ResNet-50 no optimiser: they have ResNet-31's.
RESNET19 = {
    **PLAN,
    "model": {"name": "resnet", "stem_pool": 3, "stages": ((32, 3), (64, 3), (128, 3)), "dropout": 0.5},
    "optimizer": NESTEROV,
}
RESNET31 = {
    **PLAN,
    "model": {"name": "resnet", "stages": ((48, 3), (64, 3), (80, 3), (96, 3), (128, 3)), "dropout": 0.5},
    "optimizer": NESTEROV,
}
RESNET37 = {
    **PLAN,
    "model": {"name": "resnet", "stages": ((48, 3), (64, 3), (80, 3), (96, 4), (128, 5)), "dropout": 0.5},
    "optimizer": {**NESTEROV, "end_lr": 1e-5},
}
RESNET67 = {
    **PLAN,
    "model": {"name": "resnet", "stem_pool": 3, "stages": ((48, 3), (64, 4), (80, 23), (128, 3)), "dropout": 0.8},
    "optimizer": {"name": "adam", "lr": 1e-3, "end_lr": 1e-3, "schedule": "linear", "l2": 1e-6},
}

# Section 5.1: Table 1 of the paper, and the same with a quarter of the filters: the post reduced them and does not say
# how far.
RESNET50 = {
    **PLAN,
    "model": {
        "name": "resnet",
        "stem": (64, 7, 2),
        "stem_pool": 3,
        "stages": ((256, 3), (512, 4), (1024, 6), (2048, 3)),
        "depth": 1,
        "bottleneck": 4,
        "dropout": 0.5,
    },
    "optimizer": NESTEROV,
}
RESNET50_NARROW = {
    **RESNET50,
    "model": {**RESNET50["model"], "stem": (16, 7, 2), "stages": ((64, 3), (128, 4), (256, 6), (512, 3))},
}

# Section 5.2: Inception-v3 with dropout before the last layer, and with modules removed. Only the released code says
# which ones. It also averages in B, and has plain rectifiers where the post has very leaky ones in all its networks.
INCEPTION = {
    **PLAN,
    "model": {
        "name": "inception",
        "modules": (
            *(("A", 32), ("A", 64), ("A", 64), ("B",), ("C", 128), ("C", 160), ("C", 160), ("C", 192)),
            *(("D",), ("E", "average"), ("E", "max")),
        ),
        "dropout": 0.8,
    },
    "size": (299, 299),
    "optimizer": NESTEROV,
}
INCEPTION_REDUCED = {
    **INCEPTION,
    "model": {
        "name": "inception",
        "modules": (
            *(("A", 32), ("A", 64), ("B", "average"), ("C", 128), ("C", 192)),
            *(("D",), ("E", "average"), ("E", "max")),
        ),
        "inner_dropout": 0.1,
        "dropout": 0.8,
    },
}

CLASSIFIERS = {
    "oxford": OXFORD,
    "vgg19_128": VGG19_128,
    "vgg19_192a": VGG19_192A,
    "vgg19_192b": VGG19_192B,
    "resnet19": RESNET19,
    "resnet31": RESNET31,
    "resnet37": RESNET37,
    "resnet67": RESNET67,
    "resnet50": RESNET50,
    "resnet50_narrow": RESNET50_NARROW,
    "inception": INCEPTION,
    "inception_reduced": INCEPTION_REDUCED,
}

# The released code augments more, and flips along the axis of the head too; its residual networks normalise after each
# sum ("local bn" there) and have bare projections, and the one called 37 has 49 layers.
AUGMENTATION_RELEASED = "flip_lr|flip_ud|scale(0.5,1.5)|translate(0.25)|shear(5.73)|rotate(30)|gamma(0.8,1.2,p=0.5)"
AUGMENTATION_DEEP = "flip_lr|flip_ud|scale(0.5,1.5)|translate(0.125)|shear(14.3)|rotate(45)|gamma(0.8,1.2,p=0.5)"
STAGES_49 = ((48, 3), (64, 3), (80, 3, 3), (96, 4, 3), (128, 5, 3))  # three convolutions a block in the last three
RELEASED = {
    "resnet37": ({**RESNET37["model"], "stages": STAGES_49, "norm_sum": True}, AUGMENTATION_DEEP),
    "resnet67": ({**RESNET67["model"], "norm_sum": True}, AUGMENTATION_DEEP),
}


def released(name: str) -> dict[str, Any]:
    """One of CLASSIFIERS as the released code has it. OxfordNet was not released."""
    recipe = CLASSIFIERS[name]
    model, augmentation = RELEASED.get(name, (recipe["model"], AUGMENTATION_RELEASED))
    return {**recipe, "task": {"name": "classify", "augmentation": augmentation}, "model": model}


def half_width(model: dict[str, Any]) -> dict[str, Any]:
    """The same network with half the filters in its stages."""
    return {**model, "stages": tuple((filters // 2, *rest) for filters, *rest in model["stages"])}
