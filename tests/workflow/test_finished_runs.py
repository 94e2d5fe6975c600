"""Finished stages are found in their run, wherever it is."""

import shutil

import pytest

from whale_jax.workflow import finished_runs, json_files


@pytest.mark.parametrize("name", ["aligner", "aligner/subfold0"])
def test_a_stage_of_a_run_that_was_moved_has_the_inputs_in_that_run(tmp_path, name):
    run = tmp_path / "run"
    for folder, program in {"photos": "import_photos", "aligner": "crossfit", "aligner/subfold0": "train"}.items():
        inputs = {"photos": str(run / "photos")} if program != "import_photos" else {}
        (run / folder).mkdir(parents=True)
        json_files.write(run / folder / "config.json", {"program": program, "inputs": inputs})
        json_files.write(run / folder / "result.json", {"program": program})
    moved = tmp_path / "moved"
    for place in (run, moved):
        if place == moved:
            shutil.move(run, moved)
        stage = finished_runs.read_in_run(place / name)
        assert stage.folder == place / name
        assert stage.config["inputs"] == {"photos": str(place / "photos")}


def test_an_input_of_another_run_is_no_stage_of_that_name_in_this_one(tmp_path):
    """The weights that a network began with, from a network of last year."""
    for run, inputs in (("old", {}), ("new", {"weights": str(tmp_path / "old" / "network")})):
        folder = tmp_path / run / "network"
        folder.mkdir(parents=True)
        json_files.write(folder / "config.json", {"program": "train", "inputs": inputs})
        digests = dict.fromkeys(inputs, "old")
        json_files.write(folder / "result.json", {"program": "train", "digest": run, "inputs": digests})
    network = finished_runs.read_within(tmp_path / "new", "network")
    assert network.config["inputs"] == {"weights": str(tmp_path / "old" / "network")}
    folders = [tmp_path / run / "network" for run in ("old", "new")]
    assert [stage.folder for stage in finished_runs.ancestors([network])] == folders
    assert [stage.folder for stage in finished_runs.ancestors([network], run=tmp_path / "new")] == folders[1:]
