"""Runs are one recipe by what sets their configs apart, and go by the labels that they were given."""

from pathlib import Path

from whale_jax.report import recipes
from whale_jax.workflow.finished_runs import Stage


def test_recipes_go_by_what_sets_them_apart():
    flat = recipes.flatten({"a": {"b": (1, 2), "c": "x"}, "d": None})
    assert flat == {"a.b": "[1, 2]", "a.c": "x", "d": "null"}


def test_a_label_is_that_of_a_run_and_has_the_source_of_its_probabilities_where_there_are_several():
    search = Stage(Path("search"), {"program": "retrieve", "by": "photo", "inputs": {}}, {"metrics": {"top1": 0.5}})
    metrics = {"network": {"log_loss": 1.0}, "stack": {"log_loss": 2.0}}
    stack = Stage(Path("stack"), {"program": "stack", "inputs": {}}, {"metrics": metrics})
    runs = [part for run in (search, stack) for part in recipes.split_sources(run, "best")]
    rows = {f"recipe {i}": [run] for i, run in enumerate(runs)}
    labelled = recipes.label(rows, {Path("search"): "a search", Path("stack"): "a stack"})
    assert [*labelled] == ["a search", "a stack: network", "a stack: stack"]
