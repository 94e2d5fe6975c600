"""Training curves of a report: from finished trainings to panels of lines that `figures.curves` draws."""

from collections.abc import Iterator, Mapping

import numpy as np

from whale_jax.report import figures
from whale_jax.report.approaches import ALIGNERS, CLASSIFIERS, LOCALIZERS, Look
from whale_jax.report.figures import Line, Panel
from whale_jax.runtime import storage
from whale_jax.train import log
from whale_jax.workflow import finished_runs, renamed
from whale_jax.workflow.finished_runs import Stage


def of_classifiers(stages: Mapping[str, Stage]) -> Iterator[tuple]:
    """(name, function, arguments ...) of the picture of all classifiers' log loss and top-1 during training."""
    trainings = {look: stages[name] for name, look in CLASSIFIERS.items() if name in stages}
    if not trainings:
        return
    uniform = float(np.log(stages["photos"].result["whales"])) if "photos" in stages else None
    ancestors = finished_runs.ancestors(stages.values())
    weights = {look: finished_runs.weights(stage, ancestors) for look, stage in trainings.items()}
    loss, top1 = (
        [line for look, stage in trainings.items() for line in lines(stage, look, *keys, weights=weights[look])]
        for keys in (("train/loss", "valid/log_loss"), ("valid/top1",))
    )
    panels = Panel("Log loss", loss, uniform=uniform), Panel("Top-1: share of photos named right", top1, share=True)
    yield "curves_classifiers", figures.curves, [[panel] for panel in panels], "Training of the classifiers"


def of_finders(stages: Mapping[str, Stage]) -> Iterator[tuple]:
    """The same for loss and metric of localizer and aligner: a line a network of the cross-fit, a column a stage."""
    kinds = {"localizer": (LOCALIZERS, "valid/iou", "mean IoU")}
    kinds["aligner"] = (ALIGNERS, "valid/point_error", "mean error (head lengths)")
    for kind, (looks, key, unit) in kinds.items():
        columns = []
        for name in looks:
            if name not in stages or "num_subfolds" not in stages[name].config:
                continue
            loss = lines(stages[name], looks[name], "train/loss", "valid/loss")
            metric = lines(stages[name], looks[name], key)
            label = looks[name][0].capitalize()
            values = [y for line in loss for y in line.y]
            wide = bool(values) and max(values) > 30 * min(values)  # squared errors of 0..1 fall by orders of magnitude
            columns.append([Panel(f"{label}: loss", loss, log=wide), Panel(f"{label}: {unit}", metric)])
        if columns:
            yield (
                f"curves_{kind}",
                figures.curves,
                columns,
                f"Training of the {kind}: a curve a network of the cross-fit",
            )


def lines(stage: Stage, look: Look, *keys: str, timed: bool = False, weights: str = "best") -> list[Line]:
    """A line for each of the columns `keys` of a training's metrics.jsonl, or of each network's of a cross-fit.

    Args:
        stage: the training, or the cross-fit.
        look: label and colour of the lines.
        *keys: such as "valid/log_loss".
        timed: whether x is in minutes, which is fair to recipes whose steps take longer; else it is in epochs.
        weights: "best" or "last": the mark on a line. A cross-fit's config says itself which of them it uses.
    """
    if stage.result["program"] == "crossfit":
        folders = [renamed.subfold_folder(stage.folder, subfold) for subfold in range(stage.config["num_subfolds"])]
        networks = map(finished_runs.read, folders)
        choice = stage.config.get("weights", "best")
        return [line for network in networks for line in lines(network, look, *keys, timed=timed, weights=choice)]
    training = stage.result["training"]
    examples = 60 * training["images_per_second"] if timed else stage.result["trained_on"]
    unit = examples / stage.config["batch"]  # in steps
    best = training["best_step"] / unit
    with storage.reading(stage.folder / "metrics.jsonl"):
        rows = log.read(stage.folder)
    points = {key: [(row["step"] / unit, row[key]) for row in rows if key in row] for key in keys}
    drawn = []
    for key, pairs in points.items():
        if pairs:
            (x, y), valid = zip(*pairs, strict=True), key.startswith("valid/")
            used = best if weights == "best" else x[-1]
            drawn.append(Line(x, y, *look, valid, used if valid else None))
    return drawn
