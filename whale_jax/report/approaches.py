"""The post's approaches side by side: names and colours of their networks, and the rows of a report's tables.

`stages` are, everywhere, the finished stages that a report reads, by the names of its inputs. Some may be missing.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whale_jax.report.figures import BLUE, GREEN, ORANGE, RED, SKY
from whale_jax.workflow import finished_runs
from whale_jax.workflow.finished_runs import Stage

Rows = list[dict[str, Any]]  # of a table, each with a "name" and keys of tables.COLUMNS
Look = tuple[str, str]  # the label of a network, and its colour
CLASSIFIERS: dict[str, Look] = {
    "naive_classifier": ("naive: whole photo", ORANGE),
    "boxed_classifier": ("boxed head", GREEN),
    "aligned_classifier": ("aligned head", BLUE),
}
LOCALIZERS: dict[str, Look] = {
    "localizer": ("localizer, stage 1", ORANGE),
    "localizer_refined": ("localizer, stage 2", RED),
}
ALIGNERS: dict[str, Look] = {
    "aligner": ("aligner, stage 1", SKY),
    "refined": ("aligner, stage 2", BLUE),
    "third": ("aligner, stage 3", GREEN),  # by the networks of stage 2
}
CALIBRATED = {"naive_calibrated": "naive", "boxed_calibrated": "boxed", "calibrated": "aligned"}
SOURCES = {"network": "softmax", "stack": "logistic regression on features"}
NAME_METRICS, BOX_METRICS = ("log_loss", "top1", "top5"), ("iou", "iou>0.5")
POINT_METRICS = ("point_error_median", "point_error", "pck@0.05", "pck@0.1")


def metric_tables(stages: Mapping[str, Stage]) -> dict[str, Rows]:
    """{title: rows} of the metrics of networks and of probabilities, without the tables that have no row."""
    tables = {
        "classifier, on validation": uniform_row(stages) + network_rows(stages, CLASSIFIERS, metrics=NAME_METRICS),
        "box, out of fold": network_rows(stages, LOCALIZERS, metrics=BOX_METRICS),
        "points, out of fold (head lengths)": network_rows(stages, ALIGNERS, metrics=POINT_METRICS),
        "probabilities, on validation": probability_rows(stages),
    }
    return {title: rows for title, rows in tables.items() if rows}


def time_table(stages: Mapping[str, Stage], workdir: Path) -> dict[str, Rows]:
    """{title: rows} of the seconds that each stage of the report's own run took, their sum, and those by the clock.

    A stage of another run has no row. Without a stage that lies beside the report's `workdir`, there is no table.
    """
    run_folder = workdir.resolve().parent
    timed = [stage for stage in finished_runs.ancestors(stages.values()) if stage.folder.resolve().parent == run_folder]
    if not timed:
        return {}
    rows = [{"name": stage.folder.name, "seconds": finished_runs.seconds(stage)} for stage in timed]
    rows.append({"name": "sum of the stages", "seconds": sum(row["seconds"] for row in rows)})
    if all("ended" in stage.result for stage in timed):
        rows.append({"name": "by the clock", "seconds": finished_runs.wall_clock(timed)})
    return {"stage": rows}


def network_rows(stages: Mapping[str, Stage], looks: Mapping[str, Look], *, metrics: Sequence[str]) -> Rows:
    """A row for each network of `looks` that has metrics, with the cost of its training where it was trained."""
    measured = {
        label: stages[name] for name, (label, _) in looks.items() if name in stages and stages[name].result["metrics"]
    }
    return [
        {
            "name": label,
            **finished_runs.metrics(stage, metrics),
            **photo_count(stage),
            **(finished_runs.effort(stage) if "size" in stage.config else {}),
        }
        for label, stage in measured.items()
    ]


def photo_count(stage: Stage) -> dict[str, int]:
    """The number of photos that a stage was measured on; {} of a stage from before it was written down."""
    return {"validated_on": stage.result["validated_on"]} if "validated_on" in stage.result else {}


def uniform_row(stages: Mapping[str, Stage]) -> Rows:
    """The row of uniform probabilities over all whales, if there is a classifier to compare with them."""
    if "photos" not in stages or not stages.keys() & CLASSIFIERS.keys():
        return []
    whales = stages["photos"].result["whales"]
    return [{"name": "uniform", "log_loss": math.log(whales), "top1": 1 / whales, "top5": min(1.0, 5 / whales)}]


def probability_rows(stages: Mapping[str, Stage]) -> Rows:
    """A row a network, for the average of several, the regression on features, searches with them, and the submission.

    All columns but the first are after calibration, which is measured on photos that it was not fitted on.
    """
    rows = []
    for name, approach in CALIBRATED.items():
        if name not in stages:
            continue
        sources = finished_runs.metrics(stages[name], SOURCES)
        networks = [values for source, values in stages[name].result["metrics"].items() if source not in SOURCES]
        average = {"network": f"average of {len(networks)} networks"} if networks else {}
        labelled = [(f"network {i}", values) for i, values in enumerate(networks, start=1)]
        labelled += [((SOURCES | average)[source], values) for source, values in sources.items()]
        for label, values in labelled:
            after = {key: values["after"][key] for key in ("top1", "top5", "ece")}
            losses = {"log_loss": values["before"]["log_loss"], "calibrated": values["after"]["log_loss"]}
            rows.append({"name": f"{approach}: {label}", **losses, **after, **photo_count(stages[name])})
    if "fused" in stages:
        answer = finished_runs.metrics(stages["fused"], ["fused"])["fused"]
        values = {"calibrated": answer["log_loss"], "top1": answer["top1"], "top5": answer["top5"]}
        rows.append({"name": "aligned: networks and searches", **values, **photo_count(stages["fused"])})
    if "submission" in stages:
        result = stages["submission"].result
        source = SOURCES.get(result["source"], result["source"])
        rows.append({"name": f"in submission.csv, {result['rows']:,} photos: {source}"})
    return rows
