"""The spatial transformer (post, section 7.2): one network that finds the head in a picture and names the whale.

    --config=configs/stn.py:joint         learns bonnet and blowhead by score maps, as the aligner, and whales at once
    --config=configs/stn.py:matrix        the same by squared error of the matrix, as in the post
    --config=configs/stn.py:unsupervised  by whale labels alone
    --config=configs/stn.py:localizer     by the points alone; `joint_slow` begins with it (set inputs.weights)
    --config=configs/stn.py:joint_slow    joint, the localizer at a tenth of the learning rate
    --config=configs/stn.py:post          `matrix` with the post's networks on 512 x 512 pixels, for a GPU (not run)

`localizer`, 12 epochs of 3,111 composed photos on one core, 7 min: points off by 0.23 head lengths, 88 % within a
quarter. configs/ablations/stn.py has the figures of the others.

Set inputs.photos, inputs.split and inputs.view to the folders of those stages; the view should show the head at any
heading with some sea around it, such as `boxed` of configs/pipeline.py. --config.task.annotated_fraction=0.1 uses a
tenth of the points, --config.task.identity_weight=0.01 holds the matrix near the identity, and
--config.model.localizer_grad_scale=0.1 passes a tenth of the classifier's gradient on to the localizer.
"""

from configs import post
from whale_jax.runtime import registry
from whale_jax.workflow import stage

JOINT = {
    "task": {
        "name": "stn",
        "crop": (40, 80),
        "loc_loss": "bins",
        "augmentation": "flip_ud|rotate(180)|scale(0.85,1.2)|translate(0.06)|shear(6)|gamma(0.7,1.4)",
        "colour": False,
    },
    "model": {
        "name": "stn",
        "crop": (40, 80),
        "localizer": {
            "name": "resnet",
            "stem": (16, 7, 2),
            "stem_pool": 3,
            "stages": ((32, 2), (64, 2), (128, 2)),
            "dropout": 0.0,
        },
        "classifier": {
            "name": "resnet",
            "stem": (32, 7, 2),
            "stem_pool": 3,
            "stages": ((48, 2), (96, 2), (192, 2)),
            "dropout": 0.0,
        },
        "transform": "points",
        "shrink": 2,
    },
    "size": (112, 112),
    "batch": 32,
    "epochs": 45.0,
    "num_evals": 15,
    "optimizer": {"name": "adam", "lr": 3e-3, "schedule": "cosine", "warmup": 0.05, "weight_decay": 0.02},
}
# The localizer predicts a matrix, and begins with the one that shows the middle of the picture.
MATRIX = {
    **JOINT,
    "task": {**JOINT["task"], "loc_loss": "matrix"},
    "model": {**JOINT["model"], "transform": "similarity"},
}
POST = {
    **post.RESNET31,
    "task": {**MATRIX["task"], "crop": (128, 256)},
    "model": {
        "name": "stn",
        "crop": (128, 256),
        "localizer": post.ALIGNER["model"],
        "classifier": post.RESNET31["model"],
        "shrink": 2,
    },
    "size": (512, 512),
    "optimizer": {**post.RESNET31["optimizer"], "groups": (("localizer/.*", {"lr": 0.01}),)},
}
PRESETS = {
    "joint": JOINT,
    "matrix": MATRIX,
    "unsupervised": {**MATRIX, "task": {**MATRIX["task"], "loc_weight": 0.0}},
    "localizer": {**JOINT, "task": {**JOINT["task"], "class_weight": 0.0}},
    "joint_slow": {**JOINT, "optimizer": {**JOINT["optimizer"], "groups": (("localizer/.*", {"lr": 0.1}),)}},
    "post": POST,
}


def get_config(preset="joint", **changes):
    """The transformer's config; `changes` are keys that the preset leaves open, or has otherwise."""
    return stage.config("train", **{**registry.lookup("preset", PRESETS, preset), **changes})
