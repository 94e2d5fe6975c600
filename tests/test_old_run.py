"""A run of an earlier version still opens, predicts and reports: one that tools/make_old_run.py packed."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from whale_jax.data import right_whale
from whale_jax.report import figures
from whale_jax.workflow import json_files, stage

ARCHIVE = Path(__file__).parent / "fixtures" / "old_run.tar.xz"
DATA = {"photos": "old_run/photos", "split": "old_run/split"}


@pytest.fixture(scope="module", autouse=True)
def old_run(tmp_path_factory):
    """The working folder has old_run in it: its stages name each other by relative paths."""
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder / "old_run"


def run(program, **changes):
    return stage.run(stage.config(program, **changes), Path(program))


def assert_same_predictions(new, old):
    with np.load(f"{new}/predictions.npz") as new, np.load(f"{old}/predictions.npz") as old:
        assert new.files == old.files
        for name in old.files:
            if old[name].dtype.kind == "f":
                np.testing.assert_allclose(new[name], old[name], rtol=1e-4, atol=1e-4, err_msg=name)
            else:
                np.testing.assert_array_equal(new[name], old[name], err_msg=name)


def test_its_aligner_finds_the_same_points():
    inputs = {"network": "old_run/aligner", "photos": "old_run/photos", "view": "old_run/whole"}
    result = run("predict", inputs=inputs)
    assert_same_predictions("predict", "old_run/aligner")
    metrics = json_files.read(Path("old_run/aligner/result.json"))["metrics"]
    assert result["metrics"] == pytest.approx(metrics, rel=1e-4)


def test_its_classifier_gives_the_same_features():
    run("extract", inputs={"network": "old_run/aligned_classifier"}, weights="last")
    assert_same_predictions("extract", "old_run/features")


def test_it_is_reported_with_its_figures(monkeypatch):
    monkeypatch.setattr(figures, "save", lambda path, draw, *values, **options: draw(*values, **options))
    names = ("aligner", "aligned", "aligned_classifier", "calibrated", "submission")
    run("report", inputs=DATA | {name: f"old_run/{name}" for name in names})
    table = json.dumps(json_files.read(Path("report/table.json")))
    for name, metric in (("aligner", "point_error_median"), ("aligned_classifier", "log_loss")):
        assert str(json_files.read(Path("old_run") / name / "result.json")["metrics"][metric]) in table


def test_its_networks_are_compared():
    run("compare", inputs={"old": "old_run/aligned_classifier"}, labels={"old": "earlier version"})
    assert "earlier version" in Path("compare/table.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["aligner", "aligned_classifier", "split", "aligned"])
def test_a_finished_stage_is_not_done_again(name):
    folder = Path("old_run") / name
    config, result = json_files.read(folder / "config.json"), json_files.read(folder / "result.json")
    assert stage.run(stage.config(**config), folder) == result


def test_its_photos_are_read():
    photos = right_whale.load(Path("old_run/photos"))
    assert photos.digest == json_files.read(Path("old_run/aligner/result.json"))["photos"]
