"""Runs side by side: how their configs differ, and what they measured, over seeds and folds."""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from whale_jax.evaluation import caveats
from whale_jax.experiment import restore
from whale_jax.report import charts, figures, recipes, tables
from whale_jax.runtime import errors, registry
from whale_jax.workflow import finished_runs, json_files
from whale_jax.workflow.finished_runs import Stage
from whale_jax.workflow.program import Program

DEFAULTS = {
    "inputs": {},  # any name -> folder of a run: of one program and, as everywhere, of one split
    "labels": {},  # name of an input -> the label of its recipe in the table
    "sources": {},  # name of an input, one of probabilities -> which of its sources are compared; else all are
    "metrics": (),  # names of metrics of one's task or of evaluation.metrics.METRICS, shown before the usual ones
    "absent": (),  # runs that are missing, with the reason: listed under the table
    "target_row": "",  # a row whose log loss at the end all trainings are timed to
    "weights": "best",  # of trainings; or "last", which show the gain that over-confidence hides
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes table.md, table.json, table.png and curves.png into workdir, and prints the table.

    A row is a recipe: the runs whose configs differ in nothing but seed and fold. Its name is its label or, without
    one, its difference from the other recipes in the words of the command line. Metrics are mean ± standard deviation
    (of the sample) over seeds and folds.
    """
    runs = [run for name in config.inputs for run in choose(config, name)]
    programs = sorted({run.result["program"] for run in runs})
    if len(programs) != 1:
        raise errors.InputError(f"runs to compare must be of one program, not of {', '.join(programs) or 'none'}")
    labels = {Path(config.inputs[name]): label for name, label in config.labels.items()}
    groups = recipes.label(recipes.group(runs), labels)
    if config.target_row:
        recipes.time_to_reach(groups, config.target_row)
    keys = dict.fromkeys([*config.metrics, *tables.COLUMNS])
    measured = {key for run in runs for key in run.result["metrics"]}
    for key in config.metrics:
        if key not in measured:
            raise errors.unknown("metric, which no run has measured,", key, measured)
    metrics = [key for key in keys if key in measured]
    rows = [{"name": name, **recipes.summary(members, metrics)} for name, members in groups.items()]
    table = tables.markdown(programs[0], rows, metrics=config.metrics)
    text = "\n\n".join(filter(None, [table, "\n".join(notes(config, programs[0]))]))
    values = {tables.column(key)[0]: [recipes.values(members, key) for members in groups.values()] for key in metrics}
    figures.save(workdir / "table.png", charts.comparison, list(groups), values, title=programs[0])
    if programs[0] in recipes.TRAININGS and (panels := recipes.panels(groups, metrics, weights=config.weights)):
        title = "Validation while training: a curve a run"
        figures.save(workdir / "curves.png", figures.curves, panels, title, unit="minutes of training")
    json_files.write(workdir / "table.json", rows)
    tables.publish(workdir, text)
    return {"table": text}


def check(config: ConfigDict) -> None:
    """Raises InputError for a label or sources of no input, and for unknown weights."""
    registry.lookup("weights", restore.WEIGHTS, config.weights)
    for kind, names in (("a label", config.labels), ("sources", config.sources)):
        for name in names:
            if name not in config.inputs:
                raise errors.unknown(f"input with {kind}", name, config.inputs)


def choose(config: ConfigDict, name: str) -> list[Stage]:
    """The runs of an input: itself, or one for each of its sources of probabilities that the config asks for."""
    runs = recipes.split_sources(finished_runs.read(config.inputs[name]), config.weights)
    if (sources := config.sources.get(name)) is None:
        return runs
    by_source = {run.config.get("answer"): run for run in runs}
    for source in sources:
        if source not in by_source:
            folder = config.inputs[name]
            raise errors.unknown(f"source of probabilities in {folder}", source, filter(None, by_source))
    return [by_source[source] for source in sources]


def notes(config: ConfigDict, program: str) -> list[str]:
    """Lines under the table: what flatters its figures, and the runs that are missing."""
    in_sample = config.weights == "best" and program == "train"
    lines = [f"- {caveats.IN_SAMPLE}; config.weights=last compares the last ones"] if in_sample else []
    return lines + [f"- not there: {reason}" for reason in config.absent]


PROGRAM = Program(DEFAULTS, run, check=check, revisit=tables.reprint, any_fold=True)
