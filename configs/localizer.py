"""The head localizer (post, section 4.2.1): the box around the head in the whole photo.

    --config=configs/localizer.py:small   softmax over 64 bins a coordinate from a score map, 128 x 128 pixels
    --config=configs/localizer.py:window  stage 2: the same in a window around the box of stage 1
    --config=configs/localizer.py:post    the post's: an OxfordNet on 256 x 256 pixels, squared error, for a GPU
    --config=configs/localizer.py:post_cpu  the post's on 128 x 128 pixels, 24 epochs

`crossfit` trains a network for each subfold of the photos, so that the box of every photo comes from a network that has
not seen it. Set inputs.photos, inputs.split and inputs.view (the whole photos) to the folders of those stages.

`small` and `window` on 3,882 composed photos, 2 CPU cores: 2.4 and 3.4 min, mean IoU 0.680 and 0.773. `post` was not
run: it needs a GPU.
"""

from configs import post
from whale_jax.runtime import registry
from whale_jax.workflow import stage

SMALL = {
    # No rotation: the upright box around a turned one is larger than the head, and the network would learn that.
    "task": {
        "name": "bbox",
        "bins": 64,
        "augmentation": "scale(0.85,1.2)|translate(0.15)|flip_lr|flip_ud|gamma(0.7,1.4)",
    },
    "model": {
        "name": "resnet",
        "stem": (16, 7, 2),
        "stem_pool": 3,
        "stages": ((32, 2), (64, 2), (128, 2)),
        "head": "heatmap",
        "dropout": 0.0,
    },
    "size": (128, 128),
    "batch": 32,
    "epochs": 8.0,
    "num_evals": 4,
    "optimizer": {"name": "adam", "lr": 3e-3, "schedule": "cosine", "warmup": 0.05},
}
WINDOW = {
    **SMALL,
    "task": {
        "name": "bbox",
        "bins": 96,
        "augmentation": "scale(0.7,1.4)|translate(0.15)|flip_lr|flip_ud|gamma(0.7,1.4)",
    },
    "size": (96, 96),
    "epochs": 20.0,
}
PRESETS = {
    "small": SMALL,
    "window": WINDOW,
    "demo": {**SMALL, "epochs": 24.0},
    "post": post.LOCALIZER,
    "post_cpu": {**post.LOCALIZER, "size": (128, 128), "epochs": 24.0, "num_evals": 6, "patience": 0},
}


def get_config(preset="small", **changes):
    """The localizer's config; `changes` are keys that the preset leaves open, or has otherwise."""
    return stage.config("crossfit", **{**registry.lookup("preset", PRESETS, preset), **changes})
