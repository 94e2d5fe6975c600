"""Two run folders are equal to the bit, or the first difference is named."""

import json
import sys
from pathlib import Path

import numpy as np
import orbax.checkpoint as ocp
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import compare_runs
import same_results

VALUES = np.array([0.1, np.nan, -1.0], np.float32)


def write_run(run, *, subfold="part0"):
    """A run of one stage and another inside it, with a file of every kind."""
    stage = run / "aligner" / subfold
    stage.mkdir(parents=True)
    for folder, metrics in ((stage, {"loss": 0.5, "top1": float("nan")}), (run, {})):
        (folder / "result.json").write_text(json.dumps({"seconds": len(str(run)), "metrics": metrics}))
    rows = [{"step": 1, "train/loss": 2.0, "seconds": len(str(run))}, {"step": 2, "valid/loss": 1.0}]
    (stage / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    np.savez(stage / "predictions.npz", points=VALUES, name=np.array(["a", "b"]))
    np.save(stage / "matrices.npy", VALUES)
    (stage / "submission.csv").write_text("Image,whale_1\na,0.25\n")
    (run / "splits.json").write_text(json.dumps({"fold": [0, 1], "name": ["a", "b"], "group": None}))
    return stage


def save_weights(stage, *, step=2, layers="params", **state):
    """A checkpoint, as Orbax writes it, of some optimiser."""
    weights = {layers: {"kernel": VALUES, **state.pop("also", {})}, "batch_stats": {"mean": VALUES[:1]}}
    with ocp.StandardCheckpointer() as writer:
        writer.save((stage / "checkpoints" / str(step) / "state").resolve(), weights | state)


def difference(old, new):
    """The first difference of the stage that differs."""
    rows = [row for row in compare_runs.compare_runs(old, new) if row.difference]
    return rows[0] if rows else None


@pytest.fixture
def stages(tmp_path):
    return [write_run(tmp_path / side) for side in ("old", "another")]


def test_equal_runs_are_equal_whatever_they_took(tmp_path, stages):
    rows = compare_runs.compare_runs(tmp_path / "old", tmp_path / "another")
    assert [(row.stage, row.files, row.difference) for row in rows] == [("aligner/part0", 5, ""), (".", 2, "")]


@pytest.mark.parametrize("value", [np.nextafter(np.float32(0.1), np.float32(1)), np.nan])
@pytest.mark.parametrize("file", ["predictions.npz", "matrices.npy"])
def test_one_bit_of_an_array_is_a_difference(tmp_path, stages, file, value):
    changed = np.array([value, *VALUES[1:]], np.float32)
    if file.endswith(".npz"):
        np.savez(stages[1] / file, points=changed, name=np.array(["a", "b"]))
    else:
        np.save(stages[1] / file, changed)
    row = difference(tmp_path / "old", tmp_path / "another")
    assert row.stage == "aligner/part0"
    assert row.difference.startswith(f"{file}: ")
    assert "1 of 3 values, max abs difference" in row.difference


def test_the_sign_of_zero_the_type_and_the_shape_are_compared():
    zero = np.zeros(2, np.float32)
    assert compare_runs.compare_arrays(zero, -zero)
    assert compare_runs.compare_arrays(zero, zero.astype(np.float64))
    assert compare_runs.compare_arrays(zero, zero[:1])
    assert not compare_runs.compare_arrays(zero / 1, zero)


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("submission.csv", "0.25", "0.26"),
        ("metrics.jsonl", "1.0", "1.0000000000000002"),
        ("result.json", "NaN", "1.0"),
        ("../../splits.json", "[0, 1]", "[1, 0]"),
        ("../../splits.json", "null", "0"),
    ],
)
def test_a_changed_text_is_a_difference(tmp_path, stages, file, before, after):
    text = (stages[1] / file).read_text()
    (stages[1] / file).write_text(text.replace(before, after))
    assert difference(tmp_path / "old", tmp_path / "another").difference.startswith(file.removeprefix("../../"))


@pytest.mark.parametrize("side", [0, 1])
def test_what_only_one_side_has_is_a_difference(tmp_path, stages, side):
    (stages[1 - side] / "predictions.npz").unlink()
    expected = f"predictions.npz: only on the {('old', 'new')[side]} side"
    assert difference(tmp_path / "old", tmp_path / "another").difference == expected
    (stages[1 - side] / "result.json").unlink()
    rows = compare_runs.compare_runs(tmp_path / "old", tmp_path / "another")
    assert any(row.difference == f"only on the {('old', 'new')[side]} side" for row in rows)


def test_a_stage_has_its_new_name_on_one_side(tmp_path):
    write_run(tmp_path / "old", subfold="part0")
    write_run(tmp_path / "new", subfold="subfold0")
    assert difference(tmp_path / "old", tmp_path / "new") is None
    assert difference(tmp_path / "new", tmp_path / "old")


def test_the_last_weights_are_compared_and_the_optimizer_is_not(tmp_path, stages):
    save_weights(stages[0], step=9, opt_state={"count": VALUES})
    save_weights(stages[0], step=10, opt_state={"count": VALUES})
    save_weights(stages[1], step=10, opt_state={"groups": {"count": -VALUES}})
    assert difference(tmp_path / "old", tmp_path / "another") is None


def test_a_parameter_that_only_one_side_has_is_a_difference(tmp_path, stages):
    save_weights(stages[0])
    save_weights(stages[1], also={"bias": VALUES})
    expected = "checkpoints/weights: params/bias only on the new side"
    assert difference(tmp_path / "old", tmp_path / "another").difference == expected


def test_an_array_that_was_added_on_purpose_is_no_difference(tmp_path, stages):
    for stage, names in zip(stages, ({}, {"photo": np.array(["a"])}), strict=True):
        np.savez(stage / "probabilities.npz", stack=VALUES, **names)
    assert difference(tmp_path / "old", tmp_path / "another") is None
    assert (
        difference(tmp_path / "another", tmp_path / "old").difference == "probabilities.npz: photo only on the old side"
    )


def test_the_drawn_crops_are_the_same_every_time(tmp_path):
    first, second = (same_results.draw_crops(tmp_path / name) for name in "ab")
    files = sorted(path.relative_to(first) for path in first.rglob("*.*"))
    assert len(files) == 46
    assert all((first / file).read_bytes() == (second / file).read_bytes() for file in files)
