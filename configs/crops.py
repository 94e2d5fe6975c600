"""Classifiers straight on ready crops of aligned heads: a folder of crops and a table, to submission.csv.

    --config=configs/crops.py:cpu       two small networks from nothing, fused with searches by their features and with
                                        those of configs/matching.py: 40 min on two cores
    --config=configs/crops.py:cpu_hog   the same without maps, for want of the released weights
    --config=configs/crops.py:evening   `cpu`, one on larger pictures, and a fine-tuned EfficientNet: 47 to 92 min
    --config=configs/crops.py:night     `cpu_long` and two such EfficientNets, for longer: 6.1 h of one core
    --config=configs/crops.py:gpu       MiewID's network, a fine-tuned EfficientNet and searches, for one GPU of 24 GB
                                        (run for a few steps, on 64 crops by batches of 8: it needs a GPU)
    --config=configs/crops.py:networks  four small networks alone, stacked: 37 min on two cores
    --config=configs/crops.py:cpu_long  the same, two VGGs and larger pictures: 3.9 h on one core
    --config=configs/crops.py:resnet67  a network of the post by its recipe and at its size, or any other preset of
                                        configs/classifier.py (not run: needs a GPU)

    python -m whale_jax.main --config=configs/crops.py:cpu --config.data.root=DIR --workdir=runs/crops

3,882 crops of 447 whales, 385 of them held out, on the second deal of folds, nine in ten of whose photos had no say in
the recipe (stages.split.seed=1). `cpu`: top-1 76.6 %, top-5 86.2 %, log loss 1.25; `cpu_hog`: 69.9 %, 81.0 % and 1.61;
`evening`: 76.4 %, 85.7 % and 1.20; `night`: 76.9 %, 87.0 % and 1.15; `networks`: 43.1 %, 60.5 % and 2.89; `cpu_long`:
49.9 %, 67.3 % and 2.47. On the third deal (stages.split.seed=2), with other seeds, `cpu`: 71.4 %, 84.2 % and 1.37;
`cpu_hog`: 65.7 %, 79.0 % and 1.66; `evening`: 73.5 %, 83.4 % and 1.31.

The competition dealt out photos, not sightings: its test photos are of the days of its training photos. To tell what a
submission is worth, these validate on photos of the same days as well (`group="given"`: only
encounters that your table names, or that its dates or EXIF make, stay together), and the networks see colour. For
whales on days to come, where no table names encounters, set stages.split.group to "head".
"""

from configs import classifier, matching
from configs.stages import calibrated, cut, network, pipeline, report, submission
from whale_jax import augment, geometry
from whale_jax.runtime import registry
from whale_jax.workflow import stage

# (preset of configs/classifier.py, size of its picture) of each network; the networks differ in their seeds, too.
CROPS, WIDE, DENSE = ("crops", (40, 80)), ("crops", (56, 112)), ("crops_dense", (40, 80))
TUNED = {name: (name, (96, 192)) for name in ("crops_lite0", "crops_lite0_long", "crops_lite0_margin")}
V2M = ("crops_v2m_gpu", (320, 640))
NETWORKS = [CROPS, CROPS, DENSE, DENSE]
LONG = [*NETWORKS, ("crops_vgg", (40, 80)), ("crops_vgg", (56, 112)), WIDE, ("crops", (80, 160))]
# Networks, the weights of each, how many train at once, each on its share of the cores, and the maps of the searches
# that join them; None for no searches.
PRESETS = {
    "cpu": ([CROPS, CROPS], "last", 2, matching.FEW),
    "cpu_hog": ([CROPS, CROPS], "last", 2, ()),
    "evening": ([CROPS, CROPS, TUNED["crops_lite0"], WIDE], "last", 2, matching.FEW),
    "night": ([*LONG, TUNED["crops_lite0_long"], TUNED["crops_lite0_margin"]], "last", 2, matching.FEW),
    "gpu": ([V2M, TUNED["crops_lite0_margin"]], "last", 1, matching.FEW),
    "networks": (NETWORKS, "last", 2, None),
    "cpu_long": (LONG, "last", 2, None),
    **{name: ([(name, recipe["size"])], "best", 1, None) for name, recipe in classifier.PRESETS.items()},
}


def get_config(preset="cpu"):
    """The pipeline's config; data.root is the folder of crops, stored squashed from 2:1."""
    members, weights, processes, maps = registry.lookup("preset", PRESETS, preset)
    views = {size: f"aligned_{size[0]}x{size[1]}" for _, size in members} | {members[0][1]: "aligned"}
    augmentations = {recipe: classifier.PRESETS[recipe]["task"]["augmentation"] for recipe, _ in members}
    networks = {
        f"classifier{seed}": network(classifier, recipe, views[size], size=size, seed=seed)
        for seed, (recipe, size) in enumerate(members)
    }
    stages = {
        "photos": stage.config("import_photos"),
        "split": stage.config("split", inputs={"photos": "photos"}, group="given", folds=10),
        **{views[size]: cut("whole", view_size(size, augmentations[recipe])) for recipe, size in members},
        **networks,
        **calibrated(list(networks), weights),
        "submission": submission(),
    }
    if maps is not None:
        features = [name for name, config in stages.items() if config.program == "extract"]
        tuned = [name for name, (recipe, _) in zip(networks, members, strict=True) if recipe in TUNED]
        stages |= matching.fused(maps, features=features, tuned=tuned)
        stages["submission"] = submission("fused")
    stages["report"] = report(stages, aligned_classifier="classifier0")
    return pipeline(stages, processes=processes)


def view_size(size, augmentation):
    """(height, width) of the view for a network's input: a fifth more pixels a side, since resampling does not smooth.

    It has fewer where the augmentation shrinks so much that resampling would pass over some of them.
    """
    shrunk = augment.least_scale(augment.parse(augmentation))
    return tuple(int(min(1.2, geometry.SHARP * shrunk) * pixels) for pixels in size)
