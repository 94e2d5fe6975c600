"""Whales named by the photos that are most alike, with nothing trained on whales.

    --config=configs/matching.py        by all of these
    --config=configs/matching.py:hog    by histograms of gradients of ready crops, and phase correlation
    --config=configs/matching.py:maps   by early maps of a network that knows pictures of everyday things

    python -m whale_jax.main --config=configs/matching.py --config.data.root=DIR --workdir=runs/matching

Of 3,882 crops of 447 whales, 385 were held out. All: top-1 62.3 %, top-5 73.2 %, log loss 2.07, and on another deal of
folds, which had no say in what is searched (stages.split.seed=1), 60.3 %, 73.5 % and 2.15. `hog`, before its whitening
kept every component: 46.0 %, 61.8 % and 3.05 on the first.

What describes a head is whitened within whales, and a whale is as likely as its nearest photo and its mean photo are
alike. The network is EfficientNet-Lite0 with the released weights of ImageNet (requirements-pretrained.txt). Its maps
are taken with all their places: on aligned heads, the places are what tells one whale from another. `cpu` in
configs/crops.py puts such searches and networks into one answer.
"""

from configs import pipeline
from configs.pipeline import DATA
from whale_jax.runtime import registry
from whale_jax.workflow import stage

SIZES = {"hog64": (64, 128), "hog96": (96, 192), "hog128": (128, 256)}  # (height, width) of the heads described
# Name of a search: layer whose maps are searched, (height, width) of the picture. A map has 12 x 24 places, or 8 x 16
# to 14 x 28: what is of the size of a callosity counts, and pictures of several sizes show callosities of several.
MAPS = {
    "maps96": ("stage3", (96, 192)),
    "maps128": ("stage4", (128, 256)),
    "maps160": ("stage4", (160, 320)),
    "maps192": ("stage4", (192, 384)),
    "maps224": ("stage4", (224, 448)),
}
FEW = ("maps96", "maps160")  # where a network that is trained on whales has maps of its own
TRAINED_MAPS = ("maps96", "maps128", "maps160", "maps192")
# Released weights as they are: a training of no epochs. Each photo is described with its mirror image.
IMAGENET = {
    "task": {"name": "classify", "mirrored": True, "augmentation": "flip_ud"},
    "model": {"name": "efficientnet", "variant": "lite0"},
    "pretrained": "imagenet",
    "size": MAPS["maps96"][1],  # its weights do for any other
    "epochs": 0.0,
}


def get_config(preset="all"):
    """The pipeline's config; data.root is the folder of crops, stored squashed from 2:1."""
    searches, members = registry.lookup("preset", PRESETS, preset)
    stages = {
        "photos": stage.config("import_photos"),
        "split": stage.config("split", inputs={"photos": "photos"}, group="given", folds=10),
        **{name: config for search in searches for name, config in search().items()},
        "fused": stage.config("fuse", inputs={**DATA, **{name: name for name in members}}),
        "submission": stage.config("submit", inputs={**DATA, "probabilities": "fused"}, source="fused"),
    }
    config = stage.config("pipeline", stages=stages)
    config.stages.photos.root = config.data.get_ref("root")
    return config


def hog():
    """The stages of a search by HOG, "hog", and of a second look at its 50 likeliest whales, "phase"."""
    features = {f"features_{name}": name for name in SIZES}
    return {
        **described("described"),
        "hog": stage.config("retrieve", inputs={**DATA, **features}, transform="whiten", by="joint"),
        "phase": stage.config("rerank", inputs={**DATA, "view": "described", "scores": "hog"}),
    }


def described(view):
    """The stages that describe heads by HOG at each of SIZES, and of their view, which has a name of its own."""
    return {
        view: pipeline.cut("whole", max(SIZES.values())),
        **{
            name: stage.config("describe", inputs={"photos": "photos", "view": view}, size=size)
            for name, size in SIZES.items()
        },
    }


def maps(names=tuple(MAPS)):
    """The stages of searches by MAPS of a network that was never trained on whales."""
    return {
        **mapped("imagenet", names),
        "imagenet": stage.config("train", inputs={**DATA, "view": "pictures96"}, **IMAGENET),
    }


def mapped(network, names, *, prefix="", weights="best"):
    """The stages of searches by MAPS of a network, each on pictures of a size."""
    stages = {}
    for name in names:
        layer, size = MAPS[name]
        view, features = f"pictures{size[0]}", f"{prefix}{name}_features"
        inputs = {"network": network, "view": view}
        stages |= {
            view: pipeline.cut("whole", size),
            features: stage.config("extract", inputs=inputs, layer=layer, size=size, weights=weights),
            f"{prefix}{name}": stage.config(
                "retrieve", inputs={**DATA, "features": features}, sides=2, transform="whiten", by="joint"
            ),
        }
    return stages


def fused(networks, features):
    """The stages of searches, fused with the stack of fine-tuned EfficientNets: by maps of these, and by what is above.

    Args:
        networks: names of stages that train an EfficientNet on whales.
        features: names of the stages that extract their features, which are searched too.
    """
    stages = {**hog(), **maps(FEW)}
    members = ["stack", "hog", "phase", *FEW]
    for i, network in enumerate(networks):
        stages |= mapped(network, TRAINED_MAPS, prefix=f"trained{i or ''}_", weights="last")
        members += [f"trained{i or ''}_{name}" for name in TRAINED_MAPS]
    for name in features:
        stages[f"{name}_search"] = stage.config("retrieve", inputs={**DATA, "features": name}, transform="centre")
        members.append(f"{name}_search")
    return {**stages, "fused": stage.config("fuse", inputs={**DATA, **{name: name for name in members}})}


MEMBERS = ("hog", "phase", *MAPS)
# Searches, and the members that they give.
PRESETS = {
    "all": ((hog, maps), MEMBERS),
    "hog": ((hog,), ("hog", "phase")),
    "maps": ((maps,), tuple(MAPS)),
}
