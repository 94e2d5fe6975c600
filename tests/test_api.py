"""What a notebook gets from a finished run is what the run's own stages wrote."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

import whale_jax
from whale_jax.api import Heads
from whale_jax.data import images, predictions, probabilities, right_whale, splits
from whale_jax.recognition import views
from whale_jax.recognition.points import usual_length
from whale_jax.runtime import errors
from whale_jax.workflow.finished_runs import Stage

ROOT = Path(__file__).parents[1]
[README] = re.findall(
    r"```python\n(import whale_jax\n.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
)
ARCHIVE = ROOT / "tests" / "fixtures" / "old_run.tar.xz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small finished run, in another place than where it was made."""
    folder = tmp_path_factory.mktemp("moved")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "old_run"


@pytest.fixture(scope="module")
def run(folder):
    return whale_jax.load(folder)


@pytest.fixture(scope="module")
def photos(folder):
    return right_whale.load(folder / "photos")


@pytest.fixture(scope="module")
def points(run, photos):
    return run.points(photos)


@pytest.fixture(scope="module")
def heads(run, photos, points):
    return run.align(photos, points)


def test_points_are_those_of_the_aligner_out_of_fold(points, folder, photos):
    expected = predictions.load(folder / "aligner", photos, kind="points")
    np.testing.assert_allclose(points, expected, rtol=1e-4, atol=1e-3)


def test_heads_are_those_of_the_aligned_view(run, photos, heads, folder):
    view = images.load(folder / "aligned")
    stored = run.align(photos, predictions.load(folder / "aligner", photos, kind="points"))
    np.testing.assert_array_equal(stored.images, view.images)
    np.testing.assert_allclose(heads.view.matrices, view.matrices, rtol=1e-2, atol=1e-2)


def test_a_network_has_the_weights_that_the_features_were_taken_from(run, folder):
    assert run.training("aligned_classifier").config["weights"] == "last"  # as configs/pipeline.py has it
    assert run.training("aligned_classifier").folder == folder / "aligned_classifier"


def test_vectors_are_the_features_of_all_photos(run, photos, folder):
    heads = Heads(photos, images.load(folder / "aligned"))
    expected = predictions.load(folder / "features", photos, kind="features")
    np.testing.assert_allclose(run.embed(heads), expected, rtol=1e-4, atol=1e-4)


def test_names_are_the_calibrated_probabilities_of_the_network(run, photos, folder):
    names = run.name(Heads(photos, images.load(folder / "aligned")))
    assert tuple(names.whales) == photos.whales
    unseen = splits.load(folder / "split", photos).fold < 0
    assert unseen.any()
    expected = probabilities.load_source(folder / "calibrated", photos, source="network")
    np.testing.assert_allclose(names.probabilities[unseen], expected[unseen], rtol=1e-3, atol=1e-5)
    trained = np.isnan(names.probabilities).all(1)
    assert trained.any()  # it does not answer for photos that it has learned by heart
    best = names.likeliest(2)
    for row in range(len(photos.name)):
        assert [whale for whale, _ in best[row]] == (
            [] if trained[row] else [photos.whales[i] for i in np.argsort(-names.probabilities[row])[:2]]
        )


def test_heads_are_of_the_runs_size_whichever_photos_are_given(run, heads, photos, points, monkeypatch):
    lengths = []
    monkeypatch.setattr(views, "matrices_of", lambda config, photos: lengths.append(config.length) or np.eye(3)[None])
    monkeypatch.setattr(images, "save", lambda *arguments, **keys: None)
    run.align(photos, points)
    assert lengths == [usual_length(run.stage("aligned"))]
    assert lengths[0] > 0


def test_of_several_networks_each_has_the_calibration_of_its_own_answers(folder, monkeypatch):
    inputs = {
        "stack": {"photos": "photos", "features": "first", "features1": "second", "features_hog": "hog"},
        "first": {"network": "classifier0"},
        "second": {"network": "classifier1"},
        "hog": {"view": "aligned"},
        "calibrated": {"probabilities": "stack"},
    }
    run = whale_jax.load(folder)
    monkeypatch.setattr(run, "stage", lambda name: Stage(Path(name), {"inputs": inputs.get(str(name))}, {}))
    assert run._source(run.stage("calibrated"), Path("classifier1")) == "features1"
    with pytest.raises(errors.InputError, match="did not calibrate naive; it did classifier0, classifier1: name"):
        run._source(run.stage("calibrated"), Path("naive"))


def test_the_readmes_lines_go_from_a_folder_of_photos_to_names(folder, tmp_path, photos):
    for row in (0, 3):
        (tmp_path / f"new_{row}.jpg").write_bytes(photos.jpeg(row))
    lines = README.replace('"runs/demo"', repr(str(folder))).replace('"DIR"', repr(str(tmp_path)))
    values = {}
    exec(lines, values)
    assert values["points"].shape == (2, 2, 2)
    assert values["heads"].images.shape[0] == len(values["names"]) == len(values["vectors"]) == 2
    assert all(np.isfinite(p) for row in values["names"] for _, p in row)
    assert np.isfinite(values["vectors"]).all()


def test_what_is_no_pipeline_or_names_nobody_is_refused(run, folder, heads):
    with pytest.raises(errors.InputError, match="aligner holds no run of a pipeline"):
        whale_jax.load(folder / "aligner")
    with pytest.raises(errors.InputError, match="names no whales"):
        run.name(heads, network="aligner")


def test_the_package_itself_imports_nothing_heavy():
    program = "import sys, whale_jax; print(sorted({'jax', 'numpy', 'whale_jax.api'} & set(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"
    assert {"load", "photos"} <= set(dir(whale_jax))
    with pytest.raises(AttributeError, match="no attribute 'photo'"):
        _ = whale_jax.photo
