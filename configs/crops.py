"""Classifiers straight on ready crops of aligned heads: a folder of crops and a table, to submission.csv.

    --config=configs/crops.py:cpu       one small network; two CPU cores: 41 min
    --config=configs/crops.py:cpu_long  three larger ones, stacked, for a night on two CPU cores (not run)
    --config=configs/crops.py:gpu       the post's ResNet-67 (not run: needs a GPU)

    python -m whale_jax.main --config=configs/crops.py:cpu --config.data.root=DIR --workdir=runs/crops

`cpu` on 3,882 crops of 447 whales, one seed, on the 386 photos held out: top-1 40.4 %, top-5 60.6 %, log loss 3.02.
With dropout 0.2 in place of 0.5 it is 36.9 %, 59.0 % and 3.10 (74 min on one core with other work beside it).

The competition dealt photos out, not sightings: its test photos are of the days of its training photos. So these
validate on photos of the same days as well (`group="none"`), or nothing here would say what a submission is worth, and
the networks see colour. For whales on days to come, set stages.split.group to "head".
"""

from configs import classifier, pipeline
from whale_jax import registry
from whale_jax.programs import stage

# Recipe and size of the picture of each network, which differ by their seeds too; and the weights that are taken.
CPU = [*2 * [("crops", (40, 80))], *2 * [("crops_dense", (40, 80))]]
LONG = [*CPU, ("crops_vgg", (40, 80))]
GPU = [("resnet67", (128, 256))]
PRESETS = {"cpu": (CPU, "last"), "cpu_long": (LONG, "last"), "gpu": (GPU, "best")}


def get_config(preset="cpu"):
    """The pipeline's config; data.root is the folder of crops, stored squashed from 2:1."""
    members, weights = registry.lookup("preset", PRESETS, preset)
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
    config = stage.config("pipeline", stages=stages)
    config.stages.photos.root = config.data.get_ref("root")
    return config


def larger(size):
    """A view's size for a network's: a fifth more pixels a side, since resampling does not smooth."""
    return tuple(6 * pixels // 5 for pixels in size)
