"""What the stages of a pipeline found: the post's approaches side by side in tables, and pictures to look at."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from whale_jax.evaluation import caveats
from whale_jax.report import approaches, figures, pictures, tables
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs, json_files
from whale_jax.workflow.finished_runs import Stage
from whale_jax.workflow.program import Program

# What the report reads, and the programs that make it; each may be left empty.
FINDERS = ("crossfit", "predict")
STAGES = {
    "photos": ("import_photos",),
    "split": ("split",),
    "localizer": FINDERS,
    "localizer_refined": FINDERS,
    "aligner": FINDERS,
    "refined": FINDERS,
    "third": FINDERS,
    "boxed": ("align",),
    "aligned": ("align",),
    "naive_classifier": ("train",),
    "boxed_classifier": ("train",),
    "aligned_classifier": ("train",),
    "naive_calibrated": ("calibrate",),
    "boxed_calibrated": ("calibrate",),
    "calibrated": ("calibrate",),
    "fused": ("fuse",),
    "submission": ("submit",),
}
DEFAULTS = {"inputs": dict.fromkeys(STAGES, "")}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes table.md, table.json and pictures into workdir, and prints the tables.

    An input that is left empty has no place in the report. One that is not what its name says, or is damaged, raises
    InputError.
    """
    stages = gather(config.inputs)
    metrics, times = approaches.metric_tables(stages), approaches.time_table(stages, workdir)
    names = draw(stages, workdir)
    json_files.write(workdir / "table.json", metrics | times)
    blocks = [
        *(tables.markdown(title, rows) for title, rows in metrics.items()),
        "\n".join(caveats_of(stages)),
        *(tables.markdown(title, rows) for title, rows in times.items()),
        f"Made on {', '.join(devices(stages))}.",
    ]
    text = "\n\n".join(filter(None, blocks))
    tables.publish(workdir, text)
    return {"table": text, "pictures": names}


def gather(inputs: Mapping[str, str]) -> dict[str, Stage]:
    """The finished stages that `inputs` names, by their names in STAGES."""
    for name in inputs:
        if name not in STAGES:
            raise errors.unknown("input of report", name, STAGES)
    stages = {name: finished_runs.read(inputs[name]) for name in STAGES if inputs.get(name)}
    if not stages:
        raise errors.InputError("nothing to report: set an input to the folder of a stage, such as inputs.calibrated")
    for name, stage in stages.items():
        if stage.result["program"] not in STAGES[name]:
            maker = f"{stage.folder} was made by the program {stage.result['program']!r}"
            raise errors.InputError(f"inputs.{name}: {maker}, and this wants one made by {' or '.join(STAGES[name])}")
    return stages


def draw(stages: Mapping[str, Stage], workdir: Path) -> list[str]:
    """Writes every picture that the stages allow into workdir; returns the names of the files."""
    names = []
    for name, function, *arguments in pictures.draw(stages):
        figures.save(workdir / f"{name}.png", function, *arguments)
        names.append(f"{name}.png")
    return names


def caveats_of(stages: Mapping[str, Stage]) -> list[str]:
    """A line for each thing that a reader must know before they believe the tables."""
    in_sample = stages.keys() & approaches.CLASSIFIERS.keys()
    lines = [f"classifier: {caveats.IN_SAMPLE}"] if in_sample else []
    for stage in stages.values():
        lines += [f"{stage.folder.name}: {caveat}" for caveat in stage.result.get("caveats", ())]
    return [f"- {line}" for line in lines]


def devices(stages: Mapping[str, Stage]) -> list[str]:
    """The devices that the stages, and all that they were made from, ran on."""
    return sorted({stage.result["device"] for stage in finished_runs.ancestors(stages.values())})


PROGRAM = Program(DEFAULTS, run, revisit=tables.reprint)
