"""Whales named by the photos that are most alike, with no network trained on whales.

    --config=configs/matching.py        by early maps of a network that knows pictures of everyday things, by histograms
                                        of gradients (HOG), and once more with the likeliest, by parts of their heads
    --config=configs/matching.py:hog    by HOG, and by phase correlation of patches with the likeliest

    python -m whale_jax.main --config=configs/matching.py --config.data.root=DIR --workdir=runs/matching

Of 3,882 crops of 447 whales, 385 were held out, on the second deal of folds, nine in ten of whose photos had no say in
what is searched (stages.split.seed=1). All: top-1 74.0 %, top-5 82.6 %, log loss 1.38, in 20 min of two cores beside
other work. `hog`: 62.6 %, 73.8 % and 2.17. On the third deal (stages.split.seed=2), all: 72.7 %, 82.3 % and 1.55.

What describes a head is whitened within whales, and a whale is as likely as its nearest photo and its mean photo are
alike. The network is EfficientNet-Lite0 with the released weights of ImageNet (requirements-pretrained.txt). Its maps
are taken with all their places: on aligned heads, the places are what tells one whale from another. What each patch of
two heads tells, and each cell of their maps, is learned from pairs of known heads (whale_jax/recognition/verifier.py).
`cpu` in configs/crops.py puts such searches and networks into one answer.
"""

from functools import partial

from configs.stages import DATA, cut, pipeline, submission
from whale_jax.runtime import registry
from whale_jax.workflow import stage

SIZES = {"hog64": (64, 128), "hog96": (96, 192), "hog128": (128, 256)}  # (height, width) of the heads described
# Name of a search: layer whose maps are searched, (height, width) of the picture. A map has 12 x 24 places, or 8 x 16
# to 12 x 24: what is of the size of a callosity counts, and pictures of several sizes show callosities of several.
MAPS = {
    "maps96": ("stage3", (96, 192)),
    "maps128": ("stage4", (128, 256)),
    "maps160": ("stage4", (160, 320)),
    "maps192": ("stage4", (192, 384)),
}
COMPARED, GRID = "maps160", (10, 20)  # the maps of which cells of two heads are compared, and their rows and columns
FEW = ("maps160", "maps192")  # as good as all where networks that are trained on whales join them
# Released weights as they are: a training of no epochs. Each photo is described with its mirror image.
IMAGENET = {
    "task": {"name": "classify", "mirrored": True, "augmentation": "flip_ud"},
    "model": {"name": "efficientnet", "variant": "lite0"},
    "pretrained": "imagenet",
    "size": MAPS["maps96"][1],  # its weights do for any other
    "epochs": 0.0,
}
PRESETS = {"all": tuple(MAPS), "hog": ()}  # maps that are searched
CROPS = partial(cut, "whole")  # (height, width) -> the stage that cuts heads of it, where the photos are heads


def get_config(preset="all"):
    """The pipeline's config; data.root is the folder of crops, stored squashed from 2:1."""
    stages = {
        "photos": stage.config("import_photos"),
        "split": stage.config("split", inputs={"photos": "photos"}, group="given", folds=10),
        **fused(registry.lookup("preset", PRESETS, preset)),
        "submission": submission("fused"),
    }
    return pipeline(stages)


def fused(names, *, features=(), tuned=(), heads=CROPS):
    """The stages of one answer, "fused": of searches, of their likeliest whales ranked again, and of networks.

    Args:
        names: of MAPS that are searched, beside HOG.
        features: names of stages that extract the features of networks trained on whales, and their logits.
        tuned: names of stages that train an EfficientNet on whales, whose maps are searched as well.
        heads: (height, width) -> the stage that cuts aligned heads.
    """
    stages = {**described(heads), **(maps(names, heads) if names else {})}
    stages["hog"] = search(**{f"features_{name}": name for name in SIZES})
    for i, network in enumerate(tuned):
        stages |= mapped(network, names, prefix=f"tuned{i or ''}_", weights="last", heads=heads)
    for name in features:  # those of a network that sees mirror images are both sides', as one vector
        stages[f"{name}_search"] = search(features=name)
    searches = [name for name, config in stages.items() if config.program == "retrieve"]
    return {
        **stages,
        "shortlist": fuse(searches),
        "reranked": reranked(names),
        "fused": fuse([*searches, "reranked", *features]),
    }


def fuse(members):
    """The stage that makes one answer of members."""
    return stage.config("fuse", inputs={**DATA, **{name: name for name in members}})


def reranked(names):
    """The stage that ranks the likeliest whales again: by patches of heads, and cells of COMPARED if it is searched."""
    inputs, maps = {**DATA, "view": "described", "scores": "shortlist"}, {}
    if COMPARED in names:
        inputs["features"], maps = f"{COMPARED}_features", {"grid": GRID, "sides": 2}
    return stage.config("rerank", inputs=inputs, **maps)


def search(*, sides=1, **features):
    """The stage of a search by features that are whitened within whales."""
    return stage.config("retrieve", inputs={**DATA, **features}, sides=sides, transform="whiten", whale_score="joint")


def described(heads):
    """The stages that describe heads by HOG at each of SIZES, and that of their view."""
    return {
        "described": heads(max(SIZES.values())),
        **{
            name: stage.config("describe", inputs={"photos": "photos", "view": "described"}, size=size)
            for name, size in SIZES.items()
        },
    }


def maps(names, heads):
    """The stages of searches by MAPS of a network that was never trained on whales."""
    trained_at = f"pictures{IMAGENET['size'][0]}"
    return {
        trained_at: heads(IMAGENET["size"]),
        "imagenet": stage.config("train", inputs={**DATA, "view": trained_at}, **IMAGENET),
        **mapped("imagenet", names, heads=heads),
    }


def mapped(network, names, *, heads, prefix="", weights="best"):
    """The stages of searches by MAPS of a network, each on pictures of a size."""
    stages = {}
    for name in names:
        layer, size = MAPS[name]
        view, features = f"pictures{size[0]}", f"{prefix}{name}_features"
        inputs = {"network": network, "view": view}
        stages |= {
            view: heads(size),
            features: stage.config("extract", inputs=inputs, layer=layer, size=size, weights=weights),
            f"{prefix}{name}": search(sides=2, features=features),
        }
    return stages
