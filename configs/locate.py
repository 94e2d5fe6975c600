"""Finds the heads in other photos with the networks of a finished pipeline: points.csv and aligned heads.

    python -m whale_jax.main --config=configs/locate.py:runs/small --config.data.root=DIR --workdir=runs/elsewhere

`report/` has the points drawn on photos, the aligned heads and, where photos are annotated, the errors.
"""

from pathlib import Path

from configs.stages import pipeline, report
from whale_jax.workflow import finished_runs, stage

FINDERS = {"aligner": "first", "refined": "second", "third": "third"}  # name in the finished pipeline -> name here


def get_config(run="runs/small"):
    """The pipeline's config: the stages of the folder `run`, with its networks, on other photos."""
    stages = {"photos": stage.config("import_photos"), "whole": cut(run, "whole")}
    stages["first"] = apply(run, "aligner", view="whole")
    if (Path(run) / "refined").exists():
        stages["window"] = cut(run, "window", "first")
        stages["second"] = apply(run, "refined", view="window")
    if (Path(run) / "third").exists():
        stages["third_window"] = cut(run, "third_window", "second")
        stages["third"] = apply(run, "refined", view="third_window")
    stages["aligned"] = cut(run, "aligned", list(stages)[-1])
    finders = {name: alias for name, alias in FINDERS.items() if alias in stages}
    stages["report"] = report(stages, **finders)
    return pipeline(stages)


def cut(run: str, name: str, predictions: str = ""):
    """A view cut as the stage `name` of `run` was, around predictions of this pipeline."""
    finished = finished_runs.read(Path(run) / name).config
    return stage.config(**finished | {"inputs": {"photos": "photos", "predictions": predictions}})


def apply(run: str, name: str, *, view: str):
    """The networks of the stage `name` of `run`, applied to a view of this pipeline."""
    return stage.config("predict", inputs={"network": f"{run}/{name}", "photos": "photos", "view": view})
