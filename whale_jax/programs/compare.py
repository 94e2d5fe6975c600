"""Runs side by side: what differs between their configs, and what they measured, over seeds."""

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from whale_jax.evaluation import caveats
from whale_jax.experiment import build
from whale_jax.programs import report
from whale_jax.report import figures, pictures
from whale_jax.runtime import errors, registry
from whale_jax.workflow import finished_runs, json_files, renamed, stage
from whale_jax.workflow.finished_runs import Stage
from whale_jax.workflow.program import Program

TRAINED = ("train", "crossfit")  # programs that leave curves
GIVEN = ("draw", "import_photos", "split", "align")  # programs of what networks see, not of networks
DEFAULTS = {
    "inputs": {},  # any name -> folder of a run: of one program and, as everywhere, of one split
    "labels": {},  # name of an input -> what the table calls its recipe
    "sources": {},  # name of an input, one of probabilities -> which of its sources are compared; else all are
    "absent": (),  # runs that are not there, and why: told under the table
    "reach": "",  # a row whose log loss at the end all trainings are timed to
    "weights": "best",  # of trainings; or "last", which tell what over-confidence hides
}


def run(config: ConfigDict, workdir: Path) -> dict[str, Any]:
    """Writes table.md, table.json, table.png and curves.png into workdir, and prints the table.

    A row is a recipe: the runs whose configs differ in nothing but the seed. It is called by what sets it apart, in
    the words of the command line where it has no label. Metrics are mean ± standard deviation (of the sample) over the
    seeds.
    """
    runs = [one for name in config.inputs for one in chosen(config, name)]
    programs = sorted({one.result["program"] for one in runs})
    if len(programs) != 1:
        raise errors.InputError(f"runs to compare must be of one program, not of {', '.join(programs) or 'none'}")
    recipes = labelled(by_recipe(runs), {Path(config.inputs[name]): words for name, words in config.labels.items()})
    if config.reach:
        time_to_reach(recipes, config.reach)
    metrics = [key for key in report.COLUMNS if any(key in one.result["metrics"] for one in runs)]
    rows = [{"name": name, **summary(group, metrics)} for name, group in recipes.items()]
    text = report.markdown(programs[0], rows)
    in_sample = config.weights == "best" and programs[0] == "train"
    notes = [f"- {caveats.IN_SAMPLE}; config.weights=last compares the last ones"] if in_sample else []
    notes += [f"- not there: {what}" for what in config.absent]
    if notes:
        text += "\n\n" + "\n".join(notes)
    values = {report.COLUMNS[key][0]: [measured(group, key) for group in recipes.values()] for key in metrics}
    figures.save(workdir / "table.png", figures.comparison, list(recipes), values, programs[0])
    if programs[0] in TRAINED and (panels := curves(recipes, metrics, config.weights)):
        what = "Validation while training: a curve a run"
        figures.save(workdir / "curves.png", figures.curves, panels, what, "minutes of training")
    json_files.write(workdir / "table.json", rows)
    report.publish(workdir, text)
    return {"table": text}


def check(config: ConfigDict) -> None:
    """Raises InputError for a label or sources of nothing, and for weights that there are not."""
    registry.lookup("weights", build.WEIGHTS, config.weights)
    for what, named in (("a label", config.labels), ("sources", config.sources)):
        for name in named:
            if name not in config.inputs:
                raise errors.unknown(f"input with {what}", name, config.inputs)


def chosen(config: ConfigDict, name: str) -> list[Stage]:
    """The runs of an input: itself, or one for each of its sources of probabilities that are asked for."""
    found = sources(finished_runs.read(config.inputs[name]), config.weights)
    if (wanted := config.sources.get(name)) is None:
        return found
    by = {one.config.get("by"): one for one in found}
    for source in wanted:
        if source not in by:
            raise errors.unknown(f"source of probabilities in {config.inputs[name]}", source, filter(None, by))
    return [by[source] for source in wanted]


def labelled(recipes: Mapping[str, list[Stage]], labels: Mapping[Path, str]) -> dict[str, list[Stage]]:
    """Recipes by the labels of their folders, and of what was made of each source of probabilities by that too.

    Two of one label, or one run twice in a recipe, raise InputError.
    """
    found: dict[str, list[Stage]] = {}
    for name, group in recipes.items():
        one = group[0]
        label = labels.get(one.folder, name)
        if one.folder in labels and "by" in one.config:
            label = f"{label}: {one.config['by']}"
        if label in found:
            raise errors.InputError(f"two recipes are labelled {label!r}: {found[label][0].folder}, {group[0].folder}")
        seeds = [seeds for _, seeds in lineages(group)]
        if any(seeds.count(own) > 1 for own in seeds):
            folders = ", ".join(str(one.folder) for one in group)
            raise errors.InputError(f"{folders}: runs of one recipe and one seed, whose deviation would mean nothing")
        found[label] = group
    return found


def sources(one: Stage, weights: str) -> list[Stage]:
    """A run itself, or, of probabilities, what was made of each source of them, as if each were a run.

    A run that has measured nothing raises InputError.
    """
    measured = one.result.get("last") if weights == "last" else None
    if not (metrics := measured or one.result.get("metrics")):
        raise errors.InputError(f"{one.folder} has measured nothing that could be compared: name stages, not pipelines")
    if not all(isinstance(how, Mapping) for how in metrics.values()):
        return [one._replace(result={**one.result, "metrics": metrics})]
    learned = one.result.get("train_metrics", {})
    found = []
    for name, how in metrics.items():
        values = dict(how)
        if "after" in how:
            values = {**how["after"], "calibrated": how["after"]["log_loss"], "log_loss": how["before"]["log_loss"]}
        if name in learned:
            values["train_log_loss"] = learned[name]["log_loss"]
        found.append(one._replace(config={**one.config, "by": name}, result={**one.result, "metrics": values}))
    return found


def curves(recipes: Mapping[str, Sequence[Stage]], metrics: Sequence[str], weights: str) -> list[list[figures.Panel]]:
    """A panel for each metric that was measured while training, with a curve for each run, coloured by recipe.

    Marked is where the `weights` that are compared were reached.
    """
    looks = zip(recipes, figures.palette(len(recipes)), strict=True)
    runs = [(look, one) for look in looks for one in recipes[look[0]]]
    drawn = {
        key: [
            line
            for look, one in runs
            for line in pictures.lines(one, look, f"valid/{key}", timed=True, weights=weights)
        ]
        for key in metrics
    }
    return [[figures.Panel(report.COLUMNS[key][0], lines)] for key, lines in drawn.items() if lines]


def by_recipe(runs: Sequence[Stage]) -> dict[str, list[Stage]]:
    """Runs by what their configs have that not all of them have, seeds apart: {"model.dropout=0.5": runs}."""
    flat = [own for own, _ in lineages(runs)]
    keys = sorted({key for own in flat for key in own if any(other.get(key) != own[key] for other in flat)})
    found: dict[str, list[Stage]] = {}
    for one, own in zip(runs, flat, strict=True):
        name = " ".join(f"{key}={own[key]}" for key in keys if key in own) or "all alike"
        found.setdefault(name, []).append(one)
    return found


def lineages(runs: Sequence[Stage]) -> list[tuple[dict[str, str], dict[str, str]]]:
    """The flat configs of runs and of the networks that they were made from, each without seeds, and the seeds.

    An input that is of one program in all runs is replaced by that one's config: "features.network.model.dropout".
    Where they differ, or some have none, a hash stands for the config.
    """
    flat = [flatten(stage.complete(one.config)) for one in runs]  # an older run lacks keys that came later
    for name in set.intersection(*(set(one.config.get("inputs", {})) for one in runs)):
        there = [renamed.read_config(Path(one.config["inputs"][name] or ".") / "config.json") or {} for one in runs]
        programs = {config.get("program") for config in there} - {None}
        for program in programs.difference(GIVEN):
            made = [(own, config) for own, config in zip(flat, there, strict=True) if config.get("program") == program]
            before = lineages([Stage(Path(), config, {}) for _, config in made])
            for (own, _), (config, seeds) in zip(made, before, strict=True):
                del own[f"inputs.{name}"]
                if len(made) < len(runs):
                    config = {"": f"{program} {json_files.hash_of(config)[:6]}"}
                own |= {f"{name}.{key}".rstrip("."): value for key, value in (config | seeds).items()}
    seeds = [{key: own[key] for key in own if key.rpartition(".")[2] == "seed"} for own in flat]
    return [({key: own[key] for key in own if key not in its}, its) for own, its in zip(flat, seeds, strict=True)]


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """{"model.dropout": "0.5", ...} of a config's innermost values, as JSON."""
    found: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= flatten(value, f"{prefix}{key}.")
        elif prefix == "inputs.":
            found[prefix + key] = Path(value).name
        else:
            found[prefix + key] = value if isinstance(value, str) else json.dumps(value)
    return found


def time_to_reach(recipes: Mapping[str, Sequence[Stage]], label: str) -> None:
    """Adds to the metrics of each run the seconds until its log loss on validation is that row's at the end.

    Compiling and evaluating count by their share in all of a run's steps. A run that never comes so far has none.
    """
    if label not in recipes:
        raise errors.unknown("row to reach", label, recipes)
    wanted = max(one.result["metrics"]["log_loss"] for one in recipes[label])  # which every seed of it reaches
    for one in (one for group in recipes.values() for one in group):
        [line] = pictures.lines(one, ("", ""), "valid/log_loss", timed=True)
        reached = [minutes for minutes, loss in zip(line.x, line.y, strict=True) if loss <= wanted]
        if reached:
            one.result["metrics"]["reached"] = 60 * reached[0]


def measured(group: Sequence[Stage], key: str) -> list[float]:
    """A metric of each run; none where not all have measured it."""
    values = [one.result["metrics"].get(key) for one in group]
    return [] if None in values else values


def summary(group: Sequence[Stage], metrics: Sequence[str]) -> dict[str, Any]:
    """Number of runs, (mean, deviation) of what all have measured, and seconds of trainings; one has no deviation."""
    found: dict[str, Any] = {"runs": len(group)}
    for key in metrics:
        if values := measured(group, key):
            found[key] = (statistics.mean(values), statistics.stdev(values)) if len(values) > 1 else values[0]
    trained = all(one.result["program"] in TRAINED for one in group)  # of others, the seconds say nothing
    return found | ({"seconds": statistics.mean(finished_runs.spent(one) for one in group)} if trained else {})


PROGRAM = Program(DEFAULTS, run, check=check, revisit=report.revisit, any_fold=True)
