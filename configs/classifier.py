"""The classifier (post, sections 4.1 to 5.2): one network on whole photos, boxed heads or aligned heads.

    --config=configs/classifier.py:small               a thin residual network for two CPU cores, 80 x 160 pixels
    --config=configs/classifier.py:crops, :crops_dense, :crops_vgg   for ready crops; with a dense head; a VGG
    --config=configs/classifier.py:crops_lite0         an EfficientNet that knows pictures (`pretrained`)
    --config=configs/classifier.py:crops_lite0_margin  the same with the margins of ArcFace, for its features
    --config=configs/classifier.py:crops_v2m_gpu       MiewID's network and loss, for a GPU of 24 GB (a few steps run)
    --config=configs/classifier.py:resnet67            a network of the post by its recipe, in configs/post.py
    --config=configs/classifier.py:resnet67_released   the same as the released code has it
    --config=configs/classifier.py:resnet67_cpu        the same network and optimiser, small pictures, 45 epochs
    --config=configs/classifier.py:resnet37_grown      grown from a trained resnet31 (set inputs.weights to its folder)

Set inputs.photos, inputs.split and inputs.view to the folders of those stages; configs/pipeline.py and configs/crops.py
do. `small` on composed photos, bursts on one side: 14 min on two cores, log loss, calibrated, 5.16, top-1 5.1 %. The
three for crops on 40 x 80 pixels: 17 to 30 min on one core, log loss, calibrated, 3.16, 3.27 and 3.63, top-1 37, 35 and
23 % (of the second deal's first seeds). The post's networks at its sizes, and MiewID's, were not trained: they need a
GPU. Those for a CPU were not trained to the end.
"""

from configs import post
from whale_jax.runtime import registry
from whale_jax.workflow import stage

# Heads with exact points need less augmentation than the post's minimum.
LIGHT = "flip_ud|rotate(6)|scale(0.93,1.08)|translate(0.03)|shear(4)|gamma(0.7,1.4)"
# Of a network that knows pictures, strong augmentation makes no better one (docs/results/ablations.md).
STRONG = "flip_ud|rotate(11)|scale(0.8,1.2)|translate(0.15)"
MODERATE = "flip_ud|rotate(8)|scale(0.88,1.12)|translate(0.08)"

SMALL = {
    "task": {"name": "classify", "augmentation": post.MINIMAL, "colour": False},  # the sea's colour tells the flight
    "model": {
        "name": "resnet",
        "stem": (32, 7, 2),
        "stem_pool": 3,
        "stages": ((48, 2), (96, 2), (192, 2)),
        "dropout": 0.5,
    },
    "size": (80, 160),
    "batch": 64,
    "epochs": 45.0,
    "num_evals": 15,
    "optimizer": {"name": "adam", "lr": 1e-3, "schedule": "cosine", "warmup": 0.05, "weight_decay": 0.02},
}
CROPS = {
    **SMALL,
    "task": {"name": "classify", "augmentation": LIGHT, "colour": True},
    "epochs": 90.0,
    "num_evals": 18,
}
LITE0 = {
    "task": {"name": "classify", "augmentation": LIGHT, "mirrored": True, "smoothing": 0.1},
    "model": {"name": "efficientnet", "variant": "lite0", "head": "reduced_dense", "dropout": 0.2},
    "pretrained": "imagenet",
    "size": (96, 192),
    "batch": 32,
    "epochs": 14.0,
    "num_evals": 7,
    "optimizer": {
        "name": "adamw",
        "lr": 5e-3,
        "schedule": "cosine",
        "warmup": 0.05,
        "weight_decay": 0.02,
        "groups": (("(?!head/).*", {"lr": 0.2}),),  # all but the head knows something already
    },
}
# The margins' mean over the whales of 3,400 heads is 0.3.
LITE0_MARGIN = {
    **LITE0,
    "task": {
        "name": "arcface",
        "augmentation": MODERATE,
        "mirrored": True,
        "scale": 24.0,
        "margin": 0.46,
        "rarity": 0.25,
    },
    "model": {**LITE0["model"], "head": "gem_cosine"},
    "epochs": 24.0,
}
# MiewID (efficientnetv2_rw_m, 440 px, GeM, two centers, scale 49.3, margins of 0.2 to 0.33 by rarity, 30 epochs) on as
# many pixels, twice as wide as high. Set `pretrained` to a file of released weights: no package has them.
V2M_GPU = {
    **LITE0,
    "task": {
        "name": "arcface",
        "augmentation": f"{MODERATE}|gamma(0.7,1.4)|erase(0.2,p=0.5)",
        "mirrored": True,
        "scale": 49.3,
        "margin": 0.2,
        "rarity": 0.25,
        "least_margin": 0.13,
        "centers": 2,
    },
    "model": {"name": "efficientnet", "variant": "v2_rw_m", "head": "gem_cosine", "dropout": 0.0},
    "pretrained": "",
    "size": (320, 640),
    "precision": "bfloat16",
    "accumulate": 2,
    "remat": True,
    "epochs": 30.0,
    "num_evals": 10,
    "optimizer": {**LITE0["optimizer"], "lr": 1e-3, "warmup": 0.1},
}
DEMO = {
    **SMALL,
    "task": {**SMALL["task"], "augmentation": post.MINIMAL.removeprefix("flip_ud|")},
    "model": {
        "name": "resnet",
        "stem": (16, 7, 2),
        "stem_pool": 3,
        "stages": ((32, 2), (64, 2), (128, 2)),
        "dropout": 0.5,
    },
    "batch": 32,
    "epochs": 60.0,
    "num_evals": 12,
    "optimizer": {"name": "adam", "lr": 3e-3, "schedule": "cosine", "warmup": 0.1, "weight_decay": 0.02},
}
CPU = {"size": (80, 160), "epochs": 45.0, "num_evals": 15, "patience": 0}

PRESETS = {
    "small": SMALL,
    "long": {**SMALL, "epochs": 135.0, "num_evals": 27},
    "demo": DEMO,
    "crops": CROPS,
    # A dense layer sees the whole map: on aligned heads, it can tell where on the head a callosity is.
    "crops_dense": {**CROPS, "model": {**CROPS["model"], "head": "dense"}},
    "crops_vgg": {**CROPS, "model": {**post.half_width(post.VGG19_192B["model"]), "dropout": 0.5}},
    "crops_lite0": LITE0,
    "crops_lite0_long": {**LITE0, "epochs": 20.0, "num_evals": 5},
    "crops_lite0_margin": LITE0_MARGIN,
    "crops_v2m_gpu": V2M_GPU,
    **post.CLASSIFIERS,
    "resnet37_grown": {**post.RESNET37, "model": {**post.RESNET37["model"], "grown": (0, 0, 0, 1, 2)}, "init": "grown"},
    **{f"{name}_released": post.released(name) for name in post.CLASSIFIERS if name != "oxford"},
    **{f"{name}_cpu": {**recipe, **CPU} for name, recipe in post.CLASSIFIERS.items()},
}
PRESETS["oxford_cpu"] = {**PRESETS["oxford_cpu"], "size": (112, 112)}  # it sees whole photos and boxes, not heads


def get_config(preset="small", **changes):
    """The classifier's config; `changes` are keys that the preset leaves open, or has otherwise."""
    return stage.config("train", **{**registry.lookup("preset", PRESETS, preset), **changes})
