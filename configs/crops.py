"""Classifiers straight on ready crops of aligned heads: a folder of crops and a table, to submission.csv.

    --config=configs/crops.py:cpu       four small networks, stacked: 45 min on two CPU cores, by their rates
    --config=configs/crops.py:cpu_long  the same, two VGGs and larger pictures, for a night (its first five were run)
    --config=configs/crops.py:resnet67  a network of the post by its recipe and at its size, or any other preset of
                                        configs/classifier.py (not run: needs a GPU)

    python -m whale_jax.main --config=configs/crops.py:cpu --config.data.root=DIR --workdir=runs/crops

`cpu` on 3,882 crops of 447 whales, on the 385 photos held out: top-1 46.5 %, top-5 64.4 %, log loss 2.73; the networks
by themselves 40 to 41 % and 3.04 to 3.19, their average 47.3 % and 2.83. One network on 80 x 160 pixels, as long, has
38.3 % and 3.06. The first five of `cpu_long`: 49.9 %, 65.7 % and 2.65.

The competition dealt photos out, not sightings: its test photos are of the days of its training photos. So these
validate on photos of the same days as well (`group="none"`), or nothing here would say what a submission is worth, and
the networks see colour. For whales on days to come, set stages.split.group to "head".
"""

from configs import classifier, pipeline
from whale_jax import registry
from whale_jax.programs import stage

# Recipe and size of the picture of each network, which differ by their seeds too.
CPU = [*2 * [("crops", (40, 80))], *2 * [("crops_dense", (40, 80))]]
LONG = [*CPU, ("crops_vgg", (40, 80)), ("crops_vgg", (56, 112)), ("crops", (56, 112)), ("crops", (80, 160))]

# Also the weights that are taken, and how many networks train at once, each on its share of the cores.
ALONE = {name: ([(name, recipe["size"])], "best", 1) for name, recipe in classifier.PRESETS.items()}
PRESETS = {"cpu": (CPU, "last", 2), "cpu_long": (LONG, "last", 2), **ALONE}


def get_config(preset="cpu"):
    """The pipeline's config; data.root is the folder of crops, stored squashed from 2:1."""
    members, weights, processes = registry.lookup("preset", PRESETS, preset)
    data = {"photos": "photos", "split": "split"}
    views = {size: f"aligned_{size[0]}x{size[1]}" for _, size in members} | {members[0][1]: "aligned"}
    networks = {
        f"classifier{seed}": classifier.get_config(recipe, inputs={**data, "view": views[size]}, size=size, seed=seed)
        for seed, (recipe, size) in enumerate(members)
    }
    stages = {
        "photos": stage.config("import_photos"),
        "split": stage.config("split", inputs={"photos": "photos"}, group="none", folds=10),
        **{
            name: stage.config("align", inputs={"photos": "photos", "predictions": ""}, size=larger(size))
            for size, name in views.items()
        },
        **networks,
        **pipeline.calibrated(data, list(networks), weights),
        "submission": pipeline.submission(data),
    }
    stages["report"] = pipeline.report(stages, aligned_classifier=next(iter(networks)))
    config = stage.config("pipeline", stages=stages, processes=processes)
    config.stages.photos.root = config.data.get_ref("root")
    return config


def larger(size):
    """A view's size for a network's: a fifth more pixels a side, since resampling does not smooth."""
    return tuple(6 * pixels // 5 for pixels in size)
