"""Adapts the aligner of a finished pipeline to other photos, a few of which are annotated.

    python -m whale_jax.main --config=configs/adapt.py:runs/small --config.data.root=DIR --workdir=runs/adapted

Stages 1 and 2 begin with the weights of the finished pipeline and learn on from the photos here, in four subfolds by
encounter: `report/` has the errors on photos, and on encounters, that the networks did not see.

2 CPU cores, 23 whole aerial photos of 11 whales, each whale an encounter: 5.7 min beside other work; median error 0.07
of a head length (0.35 before), 70 % of photos within a tenth.
"""

from configs import locate
from whale_jax.workflow import finished_runs, stage

RECIPE = {
    "num_subfolds": 4,
    "batch": 16,
    "epochs": 200.0,
    "num_evals": 1,
    "optimizer": {"name": "adam", "lr": 3e-4, "schedule": "cosine", "warmup": 0.1},
}


def get_config(run="runs/small"):
    """The stages of `locate`, with networks that go on learning."""
    config = locate.get_config(run)
    stages = config.stages
    stages.split = stage.config("split", inputs={"photos": "photos"}, group="encounter", folds=RECIPE["num_subfolds"])
    for name, trained in {"first": "aligner", "second": "refined"}.items():
        if name in stages:
            stages[name] = learn(f"{run}/{trained}", stages[name].inputs.view)
    if "third" in stages:
        stages.third.inputs.network = "second"
    stages.report.inputs.split = "split"
    return config


def learn(folder: str, view: str):
    """A cross-fit as the one in `folder`, which begins with its weights."""
    inputs = {"photos": "photos", "split": "split", "view": view, "weights": folder}
    return stage.config(**finished_runs.read(folder).config | {"inputs": inputs, **RECIPE})
