"""Whales named by the photos that are most alike, with nothing trained: HOG of ready crops, and phase correlation.

    python -m whale_jax.main --config=configs/matching.py --config.data.root=DIR --workdir=runs/matching

About 5 minutes of one core. Of 3,882 crops of 447 whales, 385 were held out: top-1 46.0 %, top-5 61.8 %, log loss 3.05;
by HOG alone 37.1 %, 51.7 % and 3.56. On 481 others held out (stages.split.folds=8) 40.5 %, 53.2 % and 3.42.

The descriptors are whitened within whales, and a whale is as likely as its nearest photo and its mean photo are alike.
`fused` in configs/crops.py puts such a search and networks into one answer.
"""

from configs import pipeline
from configs.pipeline import DATA
from whale_jax.workflow import stage

SIZES = {"hog64": (64, 128), "hog96": (96, 192), "hog128": (128, 256)}  # (height, width) of the heads described


def get_config():
    """The pipeline's config; data.root is the folder of crops, stored squashed from 2:1."""
    stages = {
        "photos": stage.config("import_photos"),
        "split": stage.config("split", inputs={"photos": "photos"}, group="given", folds=10),
        **search(),
        "fused": stage.config("fuse", inputs={**DATA, "hog": "hog", "phase": "phase"}),
        "submission": stage.config("submit", inputs={**DATA, "probabilities": "fused"}, source="fused"),
    }
    config = stage.config("pipeline", stages=stages)
    config.stages.photos.root = config.data.get_ref("root")
    return config


def search():
    """The stages of a search by HOG, "hog", and of a second look at its 50 likeliest whales, "phase"."""
    features = {f"features_{name}": name for name in SIZES}
    return {
        "described": pipeline.cut("whole", max(SIZES.values())),
        **{
            name: stage.config("describe", inputs={"photos": "photos", "view": "described"}, size=size)
            for name, size in SIZES.items()
        },
        "hog": stage.config("retrieve", inputs={**DATA, **features}, transform="whiten", by="joint"),
        "phase": stage.config("rerank", inputs={**DATA, "view": "described", "scores": "hog"}),
    }


def fused(features):
    """The stages of that search and of one by each of the `features` of networks, fused with the stack of these."""
    searches = {
        f"search_{name}": stage.config("retrieve", inputs={**DATA, "features": name}, transform="centre")
        for name in features
    }
    members = {name: name for name in ("stack", "hog", "phase", *searches)}
    return {**search(), **searches, "fused": stage.config("fuse", inputs={**DATA, **members})}
