"""Who is on new photos? The answer of a finished run, without training.

    python -m whale_jax.main --config=configs/identify.py:runs/crops --config.data.root=NEW --workdir=runs/june

The folder after the colon is a finished run of configs/crops.py, configs/matching.py or configs/pipeline.py whose
answer is fused. Of a pipeline, NEW has photos, in which the heads are found; points that a table gives count first. Of
the others, NEW has ready crops. candidates.csv has the likeliest whales of each photo, encounters.csv those of
encounters; report.html is the page of configs/review.py as one file, to look at and to mail.

--config.gallery=DIR adds labelled photos as references for the searches: whales of theirs that the run does not know
can then be named, without training.

2 CPU cores, a run of `novelty.py:cpu`: 1,000 crops in 2 min 40 s. The answers are those that the run itself gives its
photos without a name.
"""

from pathlib import Path

from ml_collections import ConfigDict

from configs.stages import pipeline
from whale_jax.recognition import points
from whale_jax.workflow import finished_runs, stage


def get_config(run="runs/crops"):
    """The pipeline's config: the stages of the folder `run` that its answer needs, with other photos."""
    stages = {"photos": stage.config("import_photos")}
    answer = finished_runs.read_within(Path(run), "fused")
    for finished in finished_runs.ancestors([answer], run=Path(run)):
        if again := AGAIN.get(finished.config["program"]):
            stages[finished.folder.name] = again(finished)
    inputs = {name: name for name in stages if name != "photos" and stages[name].program != "predict"}
    stages["identified"] = stage.config(
        "identify", inputs={"photos": "photos", "fused": str(Path(run) / "fused"), **inputs}
    )
    config = pipeline(stages)
    config.stages.photos.skip_unreadable = True  # one file that is cut off says nothing of the others
    config.stages.photos.gallery = config.get_ref("gallery")
    return config


def copy(finished: finished_runs.Stage, **inputs: str) -> ConfigDict:
    """The stage with other inputs, and all else as it was."""
    return stage.config(**finished.config | {"inputs": {"photos": "photos", **inputs}})


def cut(finished):
    """A view, cut as it was, around points of these photos."""
    config = copy(finished, predictions=Path(finished.config["inputs"]["predictions"]).name)
    config.prefer_annotations = True
    config.length = points.usual_length(finished)  # heads are of the size of the run's, whatever these photos show
    return config


def find(finished):
    """The networks of a cross-fit, or of one that was applied, applied to a view of these photos."""
    inputs = finished.config["inputs"]
    network = inputs.get("network") or str(finished.folder)
    inputs = {"network": network, "photos": "photos", "view": Path(inputs["view"]).name}
    return stage.config("predict", inputs=inputs)


def extract(finished):
    """The features of a network, of a view of these photos."""
    network = finished.config["inputs"]["network"]
    run, view = finished.folder.parent, finished.config["inputs"]["view"]
    view = view or finished_runs.read_within(run, network).config["inputs"]["view"]
    return copy(finished, network=network, view=Path(view).name)


def describe(finished):
    """Local descriptors of a view of these photos."""
    return copy(finished, view=Path(finished.config["inputs"]["view"]).name)


AGAIN = {"align": cut, "crossfit": find, "predict": find, "extract": extract, "describe": describe}
