"""Stages that several pipelines share; the inputs of a stage are names of other stages."""

from ml_collections import ConfigDict

from whale_jax.geometry import Size
from whale_jax.workflow import program, stage

DATA = {"photos": "photos", "split": "split"}


def pipeline(stages: dict[str, ConfigDict], **changes) -> ConfigDict:
    """The pipeline of `stages`, whose `photos` are those of --config.data.root, also where a flag sets it later."""
    config = stage.config("pipeline", stages=stages, **changes)
    config.stages.photos.root = config.data.get_ref("root")
    return config


def cut(frame: str, size: Size, predictions: str = "", **changes) -> ConfigDict:
    """The stage that cuts views of `size` out of the photos, around the predictions of another stage."""
    return stage.config(
        "align", inputs={"photos": "photos", "predictions": predictions}, frame=frame, size=size, **changes
    )


def network(module, preset: str, view: str, **changes) -> ConfigDict:
    """A preset of a config beside this one, trained on a view."""
    return module.get_config(preset, inputs={**DATA, "view": view}, **changes)


def calibrated(classifiers: list[str], weights: str, *, prefix: str = "") -> dict[str, ConfigDict]:
    """From trained classifiers to probabilities: features, logistic regression on them, calibration."""
    features = {f"features{i or ''}": f"{prefix}features{i or ''}" for i in range(len(classifiers))}
    extracted = {
        name: stage.config("extract", inputs={"network": trained}, weights=weights)
        for name, trained in zip(features.values(), classifiers, strict=True)
    }
    return {
        **extracted,
        f"{prefix}stack": stage.config("stack", inputs={**DATA, **features}),
        f"{prefix}calibrated": stage.config("calibrate", inputs={**DATA, "probabilities": f"{prefix}stack"}),
    }


def submission(answer: str = "calibrated") -> ConfigDict:
    """The stage that writes submission.csv of the probabilities of a `calibrate`, or of a `fuse` named "fused"."""
    source = {"source": "fused"} if answer == "fused" else {}
    return stage.config("submit", inputs={**DATA, "probabilities": answer}, **source)


def identified(stages: dict[str, ConfigDict]) -> ConfigDict:
    """The stage that says who is on the photos of a pipeline that nobody has named, for configs/review.py to decide."""
    described = [name for name, config in stages.items() if config.program in ("align", "describe", "extract")]
    return stage.config("identify", inputs={name: name for name in ("photos", "fused", *described)})


def report(stages: dict[str, ConfigDict], **aliases: str) -> ConfigDict:
    """The last stage: the results of all, and pictures; `aliases` map names that it expects to names in `stages`."""
    expected = program.find("report").defaults["inputs"]
    return stage.config("report", inputs={name: name if name in stages else aliases.get(name, "") for name in expected})
