"""Is the whale one of the catalogue? Ready crops, with a tenth of the whales kept out of every training.

    --config=configs/novelty.py:hog  nothing is trained: HOG of heads at three sizes, whitened within whales
    --config=configs/novelty.py:maps the same, and maps of heads of two sizes by a network that knows everyday things
    --config=configs/novelty.py:cpu  `hog`, and two small networks, stacked and calibrated
    --config=configs/novelty.py:runs/mine  no pipeline: the networks of a finished run, whose folder stands there

    python -m whale_jax.main --config=configs/novelty.py:hog --config.data.root=DIR --workdir=runs/novelty

`hog`, two cores: 10 min beside other work. By all scores together the AUROC is 0.64 per photo and 0.72 per two photos
of a whale; 4.7 % of known photos are called new, where at most 5 % was stated. `cpu` has not been run yet.
"""

from configs import classifier, crops, matching, pipeline
from whale_jax.runtime import registry
from whale_jax.workflow import stage

NETWORKS = ("crops", "crops_dense")  # of configs/classifier.py
SIZE = (40, 80)  # (height, width) of a network's picture
PRESETS = {"hog": ((), ()), "maps": ((), matching.FEW), "cpu": (NETWORKS, ())}  # networks, and maps


def get_config(preset="cpu"):
    """The config of a pipeline, whose data.root is a folder of crops stored squashed from 2:1, or of one stage."""
    if "/" in preset:
        return of_run(preset)
    recipes, maps = registry.lookup("preset", PRESETS, preset)
    networks = {
        f"classifier{seed}": pipeline.network(classifier, recipe, "aligned", size=SIZE, seed=seed)
        for seed, recipe in enumerate(recipes)
    }
    stages = {
        "photos": stage.config("import_photos"),
        "split": stage.config("split", inputs={"photos": "photos"}, group="given", folds=5, unknown_fraction=0.1),
        **matching.described("heads"),
    }
    members = {name: name for name in matching.SIZES}
    if maps:
        stages |= {name: config for name, config in matching.maps(maps).items() if name not in maps}
        members |= {name: f"{name}_features" for name in maps}
    transforms = dict.fromkeys(members, "whiten")
    if networks:
        augmentation = classifier.PRESETS[recipes[0]]["task"]["augmentation"]
        stages |= {"aligned": pipeline.cut("whole", crops.view_size(SIZE, augmentation)), **networks}
        stages |= pipeline.calibrated(list(networks), "last")
        features = {f"network{i or ''}": f"features{i or ''}" for i in range(len(networks))}
        members, transforms = (
            members | features | {"stack": "calibrated"},
            transforms | dict.fromkeys(features, "centre"),
        )
    stages["novelty"] = stage.config("novelty", inputs={**pipeline.DATA, **members}, transforms=transforms)
    config = stage.config("pipeline", stages=stages)
    config.stages.photos.root = config.data.get_ref("root")
    return config


def of_run(root):
    """The stage by itself, on the features and the calibrated answers of a finished run of crops.py or pipeline.py."""
    inputs = {name: f"{root}/{name}" for name in ("photos", "split", "features", "calibrated")}
    return stage.config("novelty", inputs=inputs, transforms={"features": "centre"})
