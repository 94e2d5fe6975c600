"""Finds the heads in other photos with the networks of a finished pipeline; points.csv and aligned heads come out.

    python -m whale_jax.main --config=configs/locate.py:runs/small --config.data.root=DIR --workdir=runs/elsewhere

`report/` has the points drawn on photos, the aligned heads and, where photos are annotated, the errors.
"""

from pathlib import Path

from configs import pipeline
from whale_jax.workflow import finished_runs, stage

LOOKS = {"aligner": "first", "refined": "second", "third": "third"}  # name in a pipeline -> name here


def get_config(run="runs/small"):
    """The pipeline's config: stages as in the folder `run`, but for networks, which are only applied."""
    stages = {"photos": stage.config("import_photos"), "whole": cut(run, "whole", "")}
    stages["first"] = apply(run, "aligner", "whole")
    if (Path(run) / "refined").exists():
        stages["window"] = cut(run, "window", "first")
        stages["second"] = apply(run, "refined", "window")
    if (Path(run) / "third").exists():
        stages["third_window"] = cut(run, "third_window", "second")
        stages["third"] = apply(run, "refined", "third_window")
    stages["aligned"] = cut(run, "aligned", list(stages)[-1])
    looks = {there: here for there, here in LOOKS.items() if here in stages}
    stages["report"] = pipeline.report(stages, **looks)
    config = stage.config("pipeline", stages=stages)
    config.stages.photos.root = config.data.get_ref("root")
    return config


def cut(run: str, name: str, predictions: str):
    """A view cut as in `run`, around predictions made here."""
    there = finished_runs.read(Path(run) / name).config
    return stage.config(**there | {"inputs": {"photos": "photos", "predictions": predictions}})


def apply(run: str, name: str, view: str):
    """A cross-fit of `run`, applied to a view made here."""
    return stage.config("predict", inputs={"network": f"{run}/{name}", "photos": "photos", "view": view})
