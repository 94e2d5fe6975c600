from types import SimpleNamespace

import numpy as np
import pytest

from tests.experiment.world import MODEL
from tests.programs.test_stages import photos
from whale_jax import tasks
from whale_jax.data import images, splits
from whale_jax.experiment import dataset, prediction, restore, rows
from whale_jax.programs import crossfit, tta
from whale_jax.runtime import errors
from whale_jax.workflow import json_files, stage


def test_grids_are_called_by_their_number_of_warps():
    tta.check(stage.config("tta"))
    with pytest.raises(errors.InputError, match="the grid '9' has 8 warps"):
        tta.check(stage.config("tta", grids={"9": {"rotate": tta.TURNS}}))


def test_each_grid_is_measured_on_the_photos_out_of_fold(monkeypatch, tmp_path):
    data = photos()
    lost = data.points.copy()
    data.points[0] = np.nan  # not annotated
    fold = np.array([0, 0, 1, 0, -1, -1], np.int32)
    split = splits.Split(fold, np.minimum(fold, 0), np.zeros(6, bool), fold, "h", 2, 0)
    view = images.View(np.zeros((6, 8, 8, 3), np.uint8), np.tile(np.eye(3), (6, 1, 1)))
    monkeypatch.setattr(dataset, "load", lambda inputs: dataset.Data(data, split, view, None))
    task = tasks.build({"name": "keypoints"}, size=(8, 8))
    network = SimpleNamespace(parallel=SimpleNamespace(devices=1), task=task, size=(8, 8))
    monkeypatch.setattr(restore, "network", lambda *_, **__: network)
    length = np.linalg.norm(lost[:, 0] - lost[:, 1], axis=-1)

    def predict(network, data, *, rows, batch, augmentation):
        """The more warps, the nearer."""
        shift = 0.5 / len(augmentation.grid.get("rotate", "1")) * length[rows, None]
        return {"points": lost[rows] + np.stack([shift, 0 * shift], axis=-1)}

    monkeypatch.setattr(prediction, "predict_augmented", predict)
    trained = stage.config("crossfit", task={"name": "keypoints"}, model=MODEL)
    json_files.write(tmp_path / "config.json", trained.to_dict())
    (tmp_path / "subfold0").mkdir()
    json_files.write(tmp_path / "subfold0" / "config.json", crossfit.subfold_config(trained, 0).to_dict())
    json_files.write(tmp_path / "result.json", {})
    holdout = rows.holdout_of(crossfit.subfold_config(trained, 0))
    learned = rows.learned(split, annotation="points", holdout=holdout)
    result = {"rows": json_files.hash_of(learned.tolist())}
    json_files.write(tmp_path / "subfold0" / "result.json", result)
    config = stage.config("tta", inputs={"network": str(tmp_path)}, grids={"1": {}, "8": {"rotate": tta.TURNS}})
    result = tta.run(config, tmp_path)
    assert result["metrics"]["1"]["point_error"] == pytest.approx(0.5, rel=1e-4)
    assert result["metrics"]["8"]["point_error"] == pytest.approx(0.0625, rel=1e-4)
    assert "2 photos" in result["table"].splitlines()[0]
    assert (tmp_path / "tta.png").exists()
    assert result["device"].startswith("1 x ")
    config.max_photos = 1
    assert "1 photos" in tta.run(config, tmp_path)["table"].splitlines()[0]


def test_a_network_that_finds_no_points_is_refused(tmp_path):
    json_files.write(tmp_path / "config.json", stage.config("crossfit", task={"name": "bbox"}, model=MODEL).to_dict())
    json_files.write(tmp_path / "result.json", {})
    with pytest.raises(errors.InputError, match="finds no points"):
        tta.run(stage.config("tta", inputs={"network": str(tmp_path)}), tmp_path)
