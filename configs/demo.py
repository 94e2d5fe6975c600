"""The whole pipeline on a pod of drawn whales: nothing to download.

    python -m whale_jax.main --config=configs/demo.py --workdir=runs/demo

2 CPU cores: 10 min 30 s. Validation log loss, calibrated, and top-1, one seed: naive 3.15, 8 %; boxed 2.75, 17 %;
aligned 0.86, 73 %, and with searches of aligned heads 0.13, 98 %. It ends with the command that opens its 60 photos
without a name for a person to decide (configs/review.py).

`smoke` runs the same stages in a minute or two, too short to learn anything.
"""

from ml_collections import ConfigDict

from configs import pipeline
from configs.stages import identified
from whale_jax.runtime import registry
from whale_jax.workflow import stage

DEMO = {
    "whole": (160, 160),
    "naive": (112, 112),
    "boxed": (112, 112),
    "window": (128, 128),
    "aligned": (80, 160),
    "networks": {"naive": (96, 96), "boxed": (96, 96), "aligned": (68, 136)},
    "weights": "last",
    "searched": (),
    "presets": {"localizer": "demo", "aligner": "demo", "window": "demo_window", "classifier": "demo"},
}
# What each preset changes in the drawn photos and in every training.
PRESETS = {
    "demo": ({}, {}),
    "smoke": (
        {"whales": 4, "photos": 40, "test": 6, "width": 384},
        {"epochs": 2.0, "num_evals": 1, "batch": 8},
    ),
}


def get_config(preset="demo") -> ConfigDict:
    """The demo's config: the pipeline's stages, and one that draws the photos they start from."""
    photos, training = registry.lookup("preset", PRESETS, preset)
    stages = pipeline.stages(**DEMO)
    stages["identified"] = identified(stages)
    stages["drawn"] = stage.config("draw", **photos)
    stages["photos"].inputs.drawn = "drawn"
    for config in stages.values():
        if "epochs" in config:
            config.update(training)
    return stage.config("pipeline", stages=stages)
