"""The aligner (post, section 4.3.1): bonnet and blowhead in the whole photo, or in a window around earlier points.

    --config=configs/aligner.py:small   softmax over 80 bins a coordinate from a score map, 160 x 160 pixels
    --config=configs/aligner.py:window  stage 2: the same in a window that the points of stage 1 have turned
    --config=configs/aligner.py:night, :window_night  three times as many epochs of both
    --config=configs/aligner.py:post    the post's network and recipe: squared error on 256 x 256 pixels, for a GPU
    --config=configs/aligner.py:post_released, :post_cpu  augmented as in the released code; 128 x 128 pixels, 48 epochs

`crossfit` trains a network for each subfold of the photos, so that the points of every photo come from a network that
has not seen it. Set inputs.photos, inputs.split and inputs.view to the folders of those stages.

On 3,882 composed photos, 2 CPU cores: `small` and `window` 6.8 and 3.6 min, median error 0.087 and 0.033 head lengths
(0.033 where stage 3 applies `window` once more). `night` and `window_night` were not run by this state of the code, and
`post` needs a GPU.
"""

from configs import post
from whale_jax.runtime import registry
from whale_jax.workflow import stage

SMALL = {
    "task": {
        "name": "keypoints",
        "bins": 80,
        "augmentation": "rotate(180)|scale(0.8,1.25)|translate(0.15)|flip_lr|gamma(0.7,1.4)",
    },
    "model": {
        "name": "resnet",
        "stem": (16, 7, 2),
        "stem_pool": 3,
        "stages": ((32, 2), (64, 2), (128, 2)),
        "head": "heatmap",
        "dropout": 0.0,
    },
    "size": (160, 160),
    "batch": 32,
    "epochs": 16.0,
    "num_evals": 4,
    "optimizer": {"name": "adam", "lr": 3e-3, "schedule": "cosine", "warmup": 0.05},
    "tta": {"rotate": (0, 90, 180, 270), "flip_ud": (0, 1)},
    "average": "median",
}
WINDOW = {
    **SMALL,
    "task": {
        "name": "keypoints",
        "bins": 96,
        "augmentation": "rotate(180,p=0.3)|scale(0.75,1.33)|translate(0.1)|flip_ud|gamma(0.7,1.4)",
    },
    "size": (96, 96),
    "epochs": 20.0,
    "tta": {"rotate": (-15, 0, 15), "flip_ud": (0, 1)},
}
PRESETS = {
    "small": SMALL,
    "window": WINDOW,
    "night": {**SMALL, "epochs": 48.0},
    "window_night": {**WINDOW, "epochs": 60.0},
    "demo": {**SMALL, "task": {**SMALL["task"], "bins": 64}, "size": (128, 128), "epochs": 40.0},
    "demo_window": {**WINDOW, "epochs": 60.0},
    "post": post.ALIGNER,
    "post_released": post.ALIGNER_RELEASED,
    "post_cpu": {**post.ALIGNER, "size": (128, 128), "epochs": 48.0, "num_evals": 12, "patience": 0},
}


def get_config(preset="small", **changes):
    """The aligner's config; `changes` are keys that the preset leaves open, or has otherwise."""
    return stage.config("crossfit", **{**registry.lookup("preset", PRESETS, preset), **changes})
