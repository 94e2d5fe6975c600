"""The spatial transformer (post, section 7.2): one network that finds the head in a picture and names the whale.

    --config=configs/stn.py:joint         taught bonnet and blowhead by score maps, as the aligner, and names at once
    --config=configs/stn.py:matrix        the same by squared error of the matrix, as the post has it
    --config=configs/stn.py:unsupervised  by the names alone
    --config=configs/stn.py:localizer     by the points alone: what `joint_slow` begins with, as inputs.weights
    --config=configs/stn.py:joint_slow    joint, the localizer at a tenth of the learning rate
    --config=configs/stn.py:post          `matrix` with the post's networks on 512 x 512 pixels (not run: needs a GPU)

`localizer`, 16 epochs of 3,111 composed photos on one core, 5 min: points off by 0.24 head lengths, 87 % within a
quarter; by the matrix 0.29 and 77 %. What comes of the others is in configs/ablations/stn.py.

Set inputs.photos, inputs.split and inputs.view to the folders of those stages; the view should show the head at any
heading with some sea around it, such as `boxed` of configs/pipeline.py. --config.task.annotated=0.1 uses a tenth of the
points, --config.task.identity_weight=0.01 holds the matrix near the identity, and
--config.model.localizer_grad_scale=0.1 lets a tenth of the classifier's gradient through to the localizer.
"""

from configs import classifier, post
from whale_jax.runtime import registry
from whale_jax.workflow import stage

CROP = (40, 80)
JOINT = {
    **classifier.SMALL,
    "task": {
        **classifier.SMALL["task"],
        "name": "stn",
        "crop": CROP,
        "loc_loss": "bins",
        "augmentation": "flip_ud|rotate(180)|scale(0.85,1.2)|translate(0.06)|shear(6)|gamma(0.7,1.4)",
    },
    "model": {
        "name": "stn",
        "crop": CROP,
        "localizer": {
            "name": "resnet",
            "stem": (16, 7, 2),
            "stem_pool": 3,
            "stages": ((32, 2), (64, 2), (128, 2)),
            "dropout": 0.0,
        },
        "classifier": {**classifier.SMALL["model"], "dropout": 0.0},
        "transform": "points",
        "shrink": 2,
    },
    "size": (112, 112),
    "batch": 32,
    "optimizer": {**classifier.SMALL["optimizer"], "lr": 3e-3},
}
# A network that says a matrix, and so can begin at that of the picture's middle, knowing nothing.
MATRIX = {
    **JOINT,
    "task": {**JOINT["task"], "loc_loss": "matrix"},
    "model": {**JOINT["model"], "transform": "similarity"},
}
BIG = {"localizer": post.ALIGNER["model"], "classifier": post.RESNET31["model"], "crop": (128, 256), "shrink": 2}
PRESETS = {
    "joint": JOINT,
    "matrix": MATRIX,
    "unsupervised": {**MATRIX, "task": {**MATRIX["task"], "loc_weight": 0.0}},
    "localizer": {**JOINT, "task": {**JOINT["task"], "class_weight": 0.0}},
    "joint_slow": {**JOINT, "optimizer": {**JOINT["optimizer"], "groups": (("localizer/.*", {"lr": 0.1}),)}},
    "post": {
        **classifier.PRESETS["resnet31"],
        "optimizer": {**classifier.PRESETS["resnet31"]["optimizer"], "groups": (("localizer/.*", {"lr": 0.01}),)},
        "task": {**MATRIX["task"], "crop": BIG["crop"]},
        "model": {"name": "stn", **BIG},
        "size": (512, 512),
    },
}


def get_config(preset="joint", **changes):
    """The transformer's config."""
    return stage.config("train", **{**registry.lookup("preset", PRESETS, preset), **changes})
