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

CPU = {"view": (96, 192), "networks": {"classifier": ("crops", (80, 160))}, "weights": "last"}
LONG = {
    "view": (120, 240),
    "networks": {f"classifier{i}": ("crops_long", size) for i, size in enumerate([(112, 224), (96, 192), (80, 160)])},
    "weights": "last",
}
GPU = {"view": (144, 288), "networks": {"classifier": ("resnet67", (128, 256))}, "weights": "best"}
PRESETS = {"cpu": CPU, "cpu_long": LONG, "gpu": GPU}


def get_config(preset="cpu"):
    """The pipeline's config; data.root is the folder of crops, stored squashed from 2:1."""
    choice = registry.lookup("preset", PRESETS, preset)
    data = {"photos": "photos", "split": "split"}
    networks = {
        name: classifier.get_config(own, inputs={**data, "view": "aligned"}, size=size, seed=seed)
        for seed, (name, (own, size)) in enumerate(choice["networks"].items())
    }
    stages = {
        "photos": stage.config("import_photos"),
        "split": stage.config("split", inputs={"photos": "photos"}, group="none", folds=10),
        "aligned": stage.config("align", inputs={"photos": "photos", "predictions": ""}, size=choice["view"]),
        **networks,
        **pipeline.calibrated(data, list(networks), choice["weights"]),
        "submission": pipeline.submission(data),
    }
    stages["report"] = pipeline.report(stages, aligned_classifier=next(iter(networks)))
    config = stage.config("pipeline", stages=stages)
    config.stages.photos.root = config.data.get_ref("root")
    return config
