"""Runs are one recipe by what sets their configs apart, and go by the labels that they were given."""

import json
from pathlib import Path

from whale_jax.report import recipes
from whale_jax.workflow.finished_runs import Stage


def test_recipes_go_by_what_sets_them_apart():
    flat = recipes.flatten({"a": {"b": (1, 2), "c": "x"}, "d": None})
    assert flat == {"a.b": "[1, 2]", "a.c": "x", "d": "null"}


def test_a_label_is_that_of_a_run_and_has_the_source_of_its_probabilities_where_there_are_several():
    search = Stage(
        Path("search"), {"program": "retrieve", "whale_score": "photo", "inputs": {}}, {"metrics": {"top1": 0.5}}
    )
    metrics = {"network": {"log_loss": 1.0}, "stack": {"log_loss": 2.0}}
    stack = Stage(Path("stack"), {"program": "stack", "inputs": {}}, {"metrics": metrics})
    runs = [part for run in (search, stack) for part in recipes.split_sources(run, "best")]
    rows = {f"recipe {i}": [run] for i, run in enumerate(runs)}
    labelled = recipes.label(rows, {Path("search"): "a search", Path("stack"): "a stack"})
    assert [*labelled] == ["a search", "a stack: network", "a stack: stack"]
    [first, second, _] = rows
    assert [*recipes.label({first: rows[first], second: rows[second]}, {Path("stack"): "a stack"})][1] == "a stack"


def test_runs_that_hold_out_several_folds_are_of_one_recipe_whatever_their_stages_are_called(tmp_path):
    runs = []
    for fold, likeliest in ((1, 30), (1, 100), (2, 30), (2, 100)):
        folder = tmp_path / f"fold{fold}_{likeliest}_reranked"
        folder.mkdir()
        reranked = {"program": "rerank", "fold": fold, "num_candidates": likeliest, "inputs": {}}
        (folder / "config.json").write_text(json.dumps(reranked))
        runs.append(Stage(Path(f"{fold}"), {"program": "fuse", "fold": fold, "inputs": {"reranked": str(folder)}}, {}))
    runs.append(Stage(Path("plain"), {"program": "fuse", "fold": 1, "inputs": {"reranked": ""}}, {}))
    groups = recipes.group(runs[:4])
    assert groups == {
        "reranked.num_candidates=30": [runs[0], runs[2]],
        "reranked.num_candidates=100": [runs[1], runs[3]],
    }
    assert [len(group) for group in recipes.group(runs).values()] == [2, 2, 1]
