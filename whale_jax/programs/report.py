"""What the stages of a pipeline found: the post's approaches side by side in a table, and pictures to look at."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from whale_jax.evaluation import caveats
from whale_jax.report import figures, pictures
from whale_jax.runtime import errors, progress, storage
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
    "submission": ("submit",),
}
DEFAULTS = {"inputs": dict.fromkeys(STAGES, "")}

# Columns of the tables: the key in table.json, the heading, and how a value is written.
COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "runs": ("runs", str),
    "log_loss": ("log loss", "{:.3f}".format),
    "calibrated": ("calibrated", "{:.3f}".format),
    "train_log_loss": ("on training photos", "{:.3f}".format),
    "top1": ("top-1", "{:.1%}".format),
    "top5": ("top-5", "{:.1%}".format),
    "few_top1": ("top-1, rare whales", "{:.1%}".format),
    "prototype_top1": ("by prototypes", "{:.1%}".format),
    "class_top1": ("by classes", "{:.1%}".format),
    "class_few_top1": ("by classes, rare", "{:.1%}".format),
    "map": ("mAP", "{:.3f}".format),
    "auroc": ("AUROC", "{:.3f}".format),
    "unknown_auroc": ("known or not: AUROC", "{:.3f}".format),
    "unknown_balanced": ("balanced accuracy", "{:.1%}".format),
    "class_unknown_auroc": ("by classes: AUROC", "{:.3f}".format),
    "spread": ("mean distance", "{:.2f}".format),
    "ece": ("calibration error", "{:.1%}".format),
    "iou": ("mean IoU", "{:.3f}".format),
    "iou>0.5": ("IoU > 0.5", "{:.1%}".format),
    "point_error_median": ("median error", "{:.3f}".format),
    "point_error": ("mean error", "{:.3f}".format),
    "pck@0.05": ("PCK@0.05", "{:.1%}".format),
    "pck@0.1": ("PCK@0.1", "{:.1%}".format),
    "head_share": ("head in the crop", "{:.1%}".format),
    "occlusion_inside": ("occlusion in the head box", "{:.1%}".format),
    "gradients_inside": ("gradients in it", "{:.1%}".format),
    "box_area": ("its area", "{:.1%}".format),
    "validated_on": ("photos", "{:,}".format),
    "photos_per_second": ("photos/s", "{:,.0f}".format),
    "pixels": ("input", str),
    "steps": ("steps", "{:,}".format),
    "reached": ("to that loss", progress.duration),
    "seconds": ("time", progress.duration),
    "train_seconds": ("training", progress.duration),
    "images_per_second": ("images/s", "{:,.0f}".format),
}
NAMING, BOXES = ("log_loss", "top1", "top5"), ("iou", "iou>0.5")
SHARES = ("top1", "top5", "iou>0.5", "pck@0.05", "pck@0.1")  # of the photos that a row is measured on
SOURCES = {"network": "softmax", "stack": "logistic regression on features"}
POINTS = ("point_error_median", "point_error", "pck@0.05", "pck@0.1")


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes table.md, table.json and pictures into workdir, and prints the table.

    Where an input is left empty, so is its place in the report. An input that is not what its name says, or is
    damaged, raises InputError.
    """
    found = gather(config.inputs)
    tables, seconds = tabulate(found), times(found, workdir)
    made_on = sorted({one.result["device"] for one in finished_runs.ancestors(found.values())})
    chosen = [f"- classifier: {caveats.IN_SAMPLE}"] if found.keys() & pictures.CLASSIFIERS.keys() else []
    doubts = chosen + [
        f"- {one.folder.name}: {caveat}" for one in found.values() for caveat in one.result.get("caveats", ())
    ]
    measured, timed = ([markdown(title, rows) for title, rows in part.items()] for part in (tables, seconds))
    parts = [*measured, "\n".join(doubts), *timed, f"Made on {', '.join(made_on)}."]
    text = "\n\n".join(filter(None, parts))
    drawn = []
    for name, draw, *arguments in pictures.draw(found):
        figures.save(workdir / f"{name}.png", draw, *arguments)
        drawn.append(f"{name}.png")
    json_files.write(workdir / "table.json", tables | seconds)
    publish(workdir, text)
    return {"table": text, "pictures": drawn}


def revisit(config: ConfigDict, workdir: Path) -> None:
    """Prints the tables of a report that was made before."""
    with storage.reading(workdir / "table.md") as path:
        print(f"\n{path.read_text(encoding='utf-8')}", flush=True)


def publish(workdir: Path, text: str) -> None:
    """Writes tables to workdir/table.md, and prints them."""
    storage.write_text(workdir / "table.md", text + "\n")
    print(f"\n{text}\n", flush=True)


def gather(inputs: Mapping[str, str]) -> dict[str, Stage]:
    """The stages that `inputs` names, by their names in STAGES."""
    for name in inputs:
        if name not in STAGES:
            raise errors.unknown("input of report", name, STAGES)
    found = {name: finished_runs.read(inputs[name]) for name in STAGES if inputs.get(name)}
    if not found:
        raise errors.InputError("nothing to report: set an input to the folder of a stage, such as inputs.calibrated")
    for name, one in found.items():
        if one.result["program"] not in STAGES[name]:
            made = f"{one.folder} was made by the program {one.result['program']!r}"
            raise errors.InputError(f"inputs.{name}: {made}, and this wants one made by {' or '.join(STAGES[name])}")
    return found


def tabulate(found: Mapping[str, Stage]) -> dict[str, list[dict[str, Any]]]:
    """{title: rows} of what was measured; each row has a "name", and keys of COLUMNS."""
    tables = {
        "classifier, on validation": guess(found) + networks(found, pictures.CLASSIFIERS, NAMING),
        "box, out of fold": networks(found, pictures.BOXES, BOXES),
        "points, out of fold (head lengths)": networks(found, pictures.LOOKS, POINTS),
        "probabilities, on validation": outcome(found),
    }
    return {title: rows for title, rows in tables.items() if rows}


def times(found: Mapping[str, Stage], workdir: Path) -> dict[str, list[dict[str, Any]]]:
    """{title: rows} of what each stage of the report's own run took, their sum, and what that took by the clock.

    Stages of other runs have no row: they took their time before. Nor has a run whose stages do not lie beside the
    report any row.
    """
    run_folder = workdir.resolve().parent
    stages = [one for one in finished_runs.ancestors(found.values()) if one.folder.resolve().parent == run_folder]
    if not stages:
        return {}
    rows = [{"name": one.folder.name, "seconds": finished_runs.spent(one)} for one in stages]
    rows.append({"name": "sum of the stages", "seconds": sum(row["seconds"] for row in rows)})
    if all("ended" in one.result for one in stages):
        rows.append({"name": "by the clock", "seconds": finished_runs.by_the_clock(stages)})
    return {"stage": rows}


def networks(found: Mapping[str, Stage], names: Mapping[str, pictures.Look], metrics: tuple[str, ...]) -> list[dict]:
    """A row for each of the networks `names` that measured something, with what it took to train those that were."""
    there = {
        label: found[name] for name, (label, _) in names.items() if name in found and found[name].result["metrics"]
    }
    return [
        {
            "name": label,
            **finished_runs.measured(one, metrics),
            **photos_of(one),
            **(finished_runs.effort(one) if "size" in one.config else {}),
        }
        for label, one in there.items()
    ]


def photos_of(one: Stage) -> dict[str, int]:
    """The number of photos that a stage was measured on; {} of a stage from before it was written down."""
    return {key: one.result[key] for key in ("validated_on",) if key in one.result}


def guess(found: Mapping[str, Stage]) -> list[dict]:
    """The row that a guess at random would get, if there is a classifier to hold against it."""
    if "photos" not in found or not found.keys() & pictures.CLASSIFIERS.keys():
        return []
    whales = found["photos"].result["whales"]
    return [{"name": "a guess", "log_loss": math.log(whales), "top1": 1 / whales, "top5": min(1.0, 5 / whales)}]


def outcome(found: Mapping[str, Stage]) -> list[dict]:
    """Rows of networks' answers, of the average of several, of the regression on features, and of the submission.

    All but the first column are after calibration, which is measured on photos that it was not fitted on.
    """
    rows = []
    for name, approach in (("naive_calibrated", "naive"), ("boxed_calibrated", "boxed"), ("calibrated", "aligned")):
        if name not in found:
            continue
        both = finished_runs.measured(found[name], SOURCES)
        alone = [how for source, how in found[name].result["metrics"].items() if source not in SOURCES]
        several = {"network": f"average of {len(alone)} networks"} if alone else {}
        answers = [(f"network {i}", how) for i, how in enumerate(alone, start=1)]
        answers += [((SOURCES | several)[source], how) for source, how in both.items()]
        for said, how in answers:
            after = {key: how["after"][key] for key in ("top1", "top5", "ece")}
            losses = {"log_loss": how["before"]["log_loss"], "calibrated": how["after"]["log_loss"]}
            rows.append({"name": f"{approach}: {said}", **losses, **after, **photos_of(found[name])})
    if "submission" in found:
        one = found["submission"].result
        how = SOURCES.get(one["source"], one["source"])
        rows.append({"name": f"in submission.csv, {one['rows']:,} photos: {how}"})
    return rows


def markdown(title: str, rows: list[dict[str, Any]]) -> str:
    """A table that reads well as text too: first column to the left, figures to the right."""
    keys = [key for key in COLUMNS if any(key in row for row in rows)]
    cells = [[title, *(COLUMNS[key][0] for key in keys)]]
    cells += [
        [
            row["name"].replace("|", "\\|"),
            *(written(key, row[key], row.get("validated_on")) if key in row else "" for key in keys),
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        [cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))]
        for line in cells
    ]
    lines.insert(1, ["-" * (w - 1) + ":" if i else "-" * w for i, w in enumerate(widths)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def written(key: str, value: Any, photos: int | None = None) -> str:
    """A value of a column, or the pair of a mean and its deviation; a share of few photos has its interval."""
    values = value if isinstance(value, tuple) else (value,)
    text = " ± ".join(COLUMNS[key][1](one) for one in values)
    if key not in SHARES or len(values) > 1 or not photos or photos >= caveats.FEW:
        return text
    low, high = caveats.interval(value, photos)
    return f"{text} ({100 * low:.0f}-{high:.0%})"


PROGRAM = Program(DEFAULTS, run, revisit=revisit)
