"""The head localizer (post, section 4.2.1): the box around the head in the whole photo.

    --config=configs/localizer.py:post   the post's: an OxfordNet on 256 x 256 pixels, squared error, for a GPU
    --config=configs/localizer.py:post_cpu   the same on 128 x 128 pixels, 24 epochs
    --config=configs/localizer.py:small  softmax over 64 bins a coordinate from a score map, 128 x 128 pixels
    --config=configs/localizer.py:window  the same for the second look, in a window around the first box

`crossfit` trains one network a part of the photos, so that every photo's box comes from a network that has not seen it.
Set inputs.photos, inputs.split and inputs.view (the whole photos) to the folders of those stages.

`small` and `window` on 3,882 composed photos, 2 CPU cores: 3.0 and 4.7 min, mean IoU 0.681 and 0.777. `post` was not
run: it needs a GPU.
"""

from configs import networks
from whale_jax.runtime import registry
from whale_jax.workflow import stage

POST = {
    "task": {
        "name": "bbox",
        "move": "mask",
        "augmentation": "rotate(180)|scale(0.75,1.25)|translate(0.1875)|shear(6)|gamma(0.7,1.4)",
    },
    "model": networks.OXFORD,
    "size": (256, 256),
    "batch": 32,
    "epochs": 300.0,
    "num_evals": 100,
    "patience": 20,
    "weights": "best",
    "optimizer": {"name": "adam", "lr": 1e-3, "end_lr": 1e-5, "schedule": "linear", "l2": 1e-5},
}
# Nothing is turned: the upright box around a turned one is larger than the head, and would be learned.
SMALL = {
    **POST,
    "task": {
        "name": "bbox",
        "bins": 64,
        "augmentation": "scale(0.85,1.2)|translate(0.15)|flip_lr|flip_ud|gamma(0.7,1.4)",
    },
    "model": {**networks.THIN, "head": "heatmap"},
    "size": (128, 128),
    "epochs": 8.0,
    "num_evals": 4,
    "patience": 0,
    "weights": "last",
    "optimizer": {"name": "adam", "lr": 3e-3, "schedule": "cosine", "warmup": 0.05},
}
WINDOW = {
    **SMALL,
    "task": {
        **SMALL["task"],
        "bins": 96,
        "augmentation": "scale(0.7,1.4)|translate(0.15)|flip_lr|flip_ud|gamma(0.7,1.4)",
    },
    "size": (96, 96),
    "epochs": 20.0,
}
PRESETS = {
    "post": POST,
    "post_cpu": {**POST, "size": (128, 128), "epochs": 24.0, "num_evals": 6, "patience": 0},
    "small": SMALL,
    "window": WINDOW,
    "demo": {**SMALL, "epochs": 24.0},
}


def get_config(preset="small", **changes):
    """The localizer's config."""
    return stage.config("crossfit", **{**registry.lookup("preset", PRESETS, preset), **changes})
