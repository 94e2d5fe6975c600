"""Adapts the aligner of a finished pipeline to other photos, of which a few are annotated.

    python -m whale_jax.main --config=configs/adapt.py:runs/small --config.data.root=DIR --workdir=runs/adapted

The first and the second look begin with the weights found there and go on with the photos here, in four parts by
encounter: `report/` has the errors on photos, and sightings, that the networks did not see.

2 CPU cores, 23 whole aerial photos of 11 whales, each whale an encounter: 3.5 min; median error 0.047 of a head length
(0.32 before), 74 % of photos within a tenth.
"""

from configs import locate
from whale_jax.workflow import finished_runs, stage

RECIPE = {"num_subfolds": 4, "batch": 16, "epochs": 200.0, "num_evals": 1}
RATE = {"name": "adam", "lr": 3e-4, "schedule": "cosine", "warmup": 0.1}


def get_config(run="runs/small"):
    """The stages of `locate`, but for networks that learn on."""
    config = locate.get_config(run)
    stages = config.stages
    stages.split = stage.config("split", inputs={"photos": "photos"}, group="encounter", folds=RECIPE["num_subfolds"])
    for name, there in {"first": "aligner", "second": "refined"}.items():
        if name in stages:
            stages[name] = learn(f"{run}/{there}", stages[name].inputs.view)
    if "third" in stages:
        stages.third.inputs.network = "second"
    stages.report.inputs.split = "split"
    return config


def learn(folder: str, view: str):
    """A cross-fit as in `folder`, begun with its weights."""
    inputs = {"photos": "photos", "split": "split", "view": view, "weights": folder}
    return stage.config(**finished_runs.read(folder).config | {"inputs": inputs, "optimizer": RATE, **RECIPE})
