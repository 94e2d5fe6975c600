"""Recipes of a comparison: runs whose configs differ in nothing but seed and fold, and their metrics over these."""

import json
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whale_jax.report import curves, figures, tables
from whale_jax.runtime import errors
from whale_jax.workflow import finished_runs, json_files, renamed, stage
from whale_jax.workflow.finished_runs import Stage

TRAININGS = ("train", "crossfit")  # programs that leave curves
REPEATED = ("seed", "fold")  # keys in which runs of one recipe differ
UPSTREAM = ("draw", "import_photos", "split", "align")  # programs of data, not of networks
Recipes = Mapping[str, Sequence[Stage]]  # the name of a recipe -> its runs


def split_sources(run: Stage, weights: str) -> list[Stage]:
    """A run itself, or one run for each source of its probabilities, which its config then has as "answer".

    A run that has measured nothing raises InputError.
    """
    last = run.result.get("last") if weights == "last" else None
    if not (metrics := last or run.result.get("metrics")):
        raise errors.InputError(f"{run.folder} has measured nothing that could be compared: name stages, not pipelines")
    if not all(isinstance(values, Mapping) for values in metrics.values()):
        return [run._replace(result={**run.result, "metrics": metrics})]
    train_metrics = run.result.get("train_metrics", {})
    runs = []
    for source, values in metrics.items():
        values = dict(values)
        if "after" in values:
            after, before = values["after"], values["before"]
            values = {**after, "calibrated": after["log_loss"], "log_loss": before["log_loss"]}
        if source in train_metrics:
            values["train_log_loss"] = train_metrics[source]["log_loss"]
        runs.append(run._replace(config={**run.config, "answer": source}, result={**run.result, "metrics": values}))
    return runs


def group(runs: Sequence[Stage]) -> dict[str, list[Stage]]:
    """Runs by the values that differ between their configs, REPEATED keys apart: {"model.dropout=0.5": runs}."""
    flat = [config for config, _ in lineages(runs)]
    keys = sorted({key for config in flat for key in config if any(side.get(key) != config[key] for side in flat)})
    recipes: dict[str, list[Stage]] = {}
    for run, config in zip(runs, flat, strict=True):
        name = " ".join(f"{key}={config[key]}" for key in keys if key in config) or "all alike"
        recipes.setdefault(name, []).append(run)
    return recipes


def label(recipes: Recipes, labels: Mapping[Path, str]) -> dict[str, list[Stage]]:
    """Recipes by the labels of their folders, and by the sources of probabilities where a folder has several.

    Two recipes of one label, or a seed twice in a recipe with one fold, raise InputError.
    """
    sources = Counter(runs[0].folder for runs in recipes.values())
    labelled: dict[str, list[Stage]] = {}
    for name, runs in recipes.items():
        run = runs[0]
        title = labels.get(run.folder, name)
        if run.folder in labels and sources[run.folder] > 1:
            title = f"{title}: {run.config['answer']}"
        if title in labelled:
            raise errors.InputError(f"two recipes are labelled {title!r}: {labelled[title][0].folder}, {run.folder}")
        repeats = [values for _, values in lineages(runs)]
        if any(repeats.count(values) > 1 for values in repeats):
            folders = ", ".join(str(run.folder) for run in runs)
            reason = "runs of one recipe and one seed and fold, whose deviation would mean nothing"
            raise errors.InputError(f"{folders}: {reason}")
        labelled[title] = list(runs)
    return labelled


def lineages(runs: Sequence[Stage]) -> list[tuple[dict[str, str], dict[str, str]]]:
    """The flat config, without REPEATED keys, of each run and of the stages that it was made from, and these keys.

    An input that is of one program in all runs is replaced by that program's config: "features.network.model.dropout".
    Where programs differ, or some runs have no such input, a hash stands for the config.
    """
    flat = [flatten(stage.complete(run.config)) for run in runs]  # an older run lacks keys that came later
    for name in set.intersection(*(set(run.config.get("inputs", {})) for run in runs)):
        paths = [Path(run.config["inputs"][name] or ".") / "config.json" for run in runs]
        sources = [renamed.read_config(path) or {} for path in paths]
        programs = {source.get("program") for source in sources} - {None}
        for program in programs.difference(UPSTREAM):
            pairs = [pair for pair in zip(flat, sources, strict=True) if pair[1].get("program") == program]
            before = lineages([Stage(Path(), source, {}) for _, source in pairs])
            for (config, _), (source, repeats) in zip(pairs, before, strict=True):
                del config[f"inputs.{name}"]
                if len(pairs) < len(runs):
                    source = {"": f"{program} {json_files.hash_of(source)[:6]}"}
                config |= {f"{name}.{key}".rstrip("."): value for key, value in (source | repeats).items()}
    repeats = [{key: config[key] for key in config if key.rpartition(".")[2] in REPEATED} for config in flat]
    pairs = zip(flat, repeats, strict=True)
    return [({key: config[key] for key in config if key not in values}, values) for config, values in pairs]


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """{"model.dropout": "0.5", ...}: the innermost values of a config as JSON, each by its path."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        elif prefix == "inputs.":
            flat[prefix + key] = Path(value).name
        else:
            flat[prefix + key] = value if isinstance(value, str) else json.dumps(value)
    return flat


def time_to_reach(recipes: Recipes, row: str) -> None:
    """Adds to the metrics of each run the seconds until its validation log loss is the final one of recipe `row`.

    Compiling and evaluating count by their share in all of a run's steps. A run that never comes so far has none.
    """
    if row not in recipes:
        raise errors.unknown("target row", row, recipes)
    target = max(run.result["metrics"]["log_loss"] for run in recipes[row])  # which every seed of it reaches
    for run in (run for runs in recipes.values() for run in runs):
        [line] = curves.lines(run, ("", ""), "valid/log_loss", timed=True)
        minutes = [x for x, loss in zip(line.x, line.y, strict=True) if loss <= target]
        if minutes:
            run.result["metrics"]["reached"] = 60 * minutes[0]


def values(runs: Sequence[Stage], metric: str) -> list[float]:
    """A metric of each run; none where not all have measured it."""
    measured = [run.result["metrics"].get(metric) for run in runs]
    return [] if None in measured else measured


def summary(runs: Sequence[Stage], metrics: Sequence[str]) -> dict[str, Any]:
    """The number of runs, (mean, deviation of the sample) of each metric, and the mean seconds of trainings.

    A single run has no deviation, and a metric that not all runs have measured is left out.
    """
    row: dict[str, Any] = {"runs": len(runs)}
    for key in metrics:
        if measured := values(runs, key):
            several = len(measured) > 1
            row[key] = (statistics.mean(measured), statistics.stdev(measured)) if several else measured[0]
    if all(run.result["program"] in TRAININGS for run in runs):  # of others, the seconds say nothing
        row["seconds"] = statistics.mean(finished_runs.seconds(run) for run in runs)
    return row


def panels(recipes: Recipes, metrics: Sequence[str], *, weights: str) -> list[list[figures.Panel]]:
    """A panel for each metric that was measured while training, with a line for each run, coloured by recipe.

    A mark on each line shows where the `weights` that are compared, "best" or "last", were reached.
    """
    looks = zip(recipes, figures.palette(len(recipes)), strict=True)
    runs = [(look, run) for look in looks for run in recipes[look[0]]]
    lines = {
        key: [
            line for look, run in runs for line in curves.lines(run, look, f"valid/{key}", timed=True, weights=weights)
        ]
        for key in metrics
    }
    return [[figures.Panel(tables.column(key)[0], drawn)] for key, drawn in lines.items() if drawn]
