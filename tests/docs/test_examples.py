"""The Python in the documents runs, and does what the text around it says."""

import csv
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from tests.docs import pages
from tests.docs.pages import ROOT
from whale_jax import losses, models, tasks
from whale_jax.data import annotations, formats
from whale_jax.evaluation import metrics
from whale_jax.experiment import build, released
from whale_jax.workflow import program, stage

THIN = {"name": "vgg", "stages": ((8, 1), (8, 1))}
TABLES = (models.MODELS, tasks.TASKS, metrics.METRICS, losses.LOSSES, formats.FORMATS, program.PROGRAMS)


def run_blocks(page: Path, *words: str) -> dict:
    """What is defined once a page's Python blocks that have one of the words, or all of them, have run in order."""
    names = {}
    for block in pages.blocks(page, "python"):
        if not words or any(word in block for word in words):
            exec(compile(block, pages.name(page), "exec"), names)
    return names


@pytest.fixture(autouse=True)
def _registries_restored():
    """What an example registers is gone after a test."""
    entries = [dict(table) for table in TABLES]
    yield
    for table, before in zip(TABLES, entries, strict=True):
        table.clear()
        table.update(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """28 photos of four whales: the folder of a run whose first stages are done."""
    root, run = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("run")
    rng = np.random.default_rng(0)
    rows = [["Image", "whaleID"], *([f"{i:02d}.jpg", f"whale_{i % 4}"] for i in range(28))]
    for name, _ in rows[1:]:
        Image.fromarray(rng.integers(0, 256, (40, 80, 3), np.uint8)).save(root / name)
    with (root / "whales.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    stage.run(stage.config("import_photos", root=str(root)), run / "photos")
    photos = {"photos": str(run / "photos")}
    stage.run(stage.config("split", inputs=photos, folds=2, group="none"), run / "split")
    stage.run(stage.config("align", inputs=photos, size=(40, 80)), run / "view")
    return run


def trained(folder, workdir, **changes):
    """The result of a short training of whales' names."""
    inputs = {name: str(folder / name) for name in ("photos", "split", "view")}
    config = stage.config("train", inputs=inputs, size=(32, 64), epochs=2.0, batch=8, num_evals=1, devices=1, **changes)
    return stage.run(config, workdir)


def test_the_readmes_model_and_metric_train_with_groups_of_parameters(folder, tmp_path):
    run_blocks(ROOT / "README.md", "models.register", "metrics.register")
    config = run_blocks(ROOT / "docs" / "extending.md", "adamw")["config"]
    model, optimizer = {"name": "average", "filters": 8}, config.optimizer.to_dict()
    task = {"name": "classify", "metrics": ("log_loss", "top1", "confidence")}
    result = trained(folder, tmp_path / "named", model=model, optimizer=optimizer, task=task)
    assert np.isfinite(result["metrics"]["log_loss"])
    assert 1 / 4 <= result["metrics"]["confidence"] <= 1


def test_a_model_of_ones_own_begins_with_a_file(tmp_path):
    config = run_blocks(ROOT / "docs" / "pretrained.md")["config"]
    assert (config.pretrained, config.model.variant) == ("imagenet", "lite0")
    np.savez(tmp_path / "w.npz", **{"conv1.weight": np.ones((8, 3, 3, 3)), "fc.bias": np.zeros(1000)})
    model = {"name": "stemmed", "stages": ((8, 1),), "stem": (8, 3, 1)}
    config = stage.config("train", model=model, size=(16, 16), pretrained=str(tmp_path / "w.npz"))
    stage.check(config)
    [(path, kernel)] = released.load(config, build.recipe(config)).leaves.items()
    assert "/".join(path) == "params/Stem_0/ConvNorm_0/Conv_0/kernel"
    np.testing.assert_array_equal(kernel, np.ones((3, 3, 3, 8)))


def test_the_readmes_task_pays_for_being_sure():
    run_blocks(ROOT / "README.md", "tasks.register")
    names = "classify", "confidence_penalty"
    plain, penalised = (tasks.build({"name": name}, size=(32, 64), classes=3) for name in names)
    logits, batch = jnp.array([[0.0, 0, 0], [50, 0, 0]]), {"label": jnp.array([0, 0])}
    bonus = plain.loss((logits, {}), batch) - penalised.loss((logits, {}), batch)
    np.testing.assert_allclose(bonus, [0.1 * np.log(3), 0], atol=1e-6)


def test_a_task_of_ones_own(folder, tmp_path):
    run_blocks(ROOT / "docs" / "extending.md", "tasks.register")
    result = trained(folder, tmp_path / "task", model=THIN, task={"name": "brightness"})
    assert result["metrics"]["error"] >= 0


def test_a_metric_and_a_loss_of_ones_own(folder, tmp_path):
    config = run_blocks(ROOT / "docs" / "extending.md", "metrics.register", "focal")["config"]
    result = trained(folder, tmp_path / "focal", model=THIN, task=config.task.to_dict())
    assert {"log_loss", "top1", "confidence"} <= result["metrics"].keys()


def test_a_program_of_ones_own(folder, tmp_path):
    run_blocks(ROOT / "docs" / "extending.md", "programs.register")
    config = stage.config("count", inputs={"photos": str(folder / "photos")}, photos=7)
    assert stage.run(config, tmp_path / "seven")["whales"] == 4
    config.photos = 8
    assert stage.run(config, tmp_path / "eight")["whales"] == 0


def test_an_ablation_of_ones_own(monkeypatch):
    monkeypatch.chdir(ROOT)
    config = run_blocks(ROOT / "docs" / "extending.md", "get_config")["get_config"]("runs/crops")
    trainings = [training for training in config.stages.values() if training.program == "train"]
    assert sorted({training.task.smoothing for training in trainings}) == [0.0, 0.1]
    assert set(config.stages.compare.labels.values()) == {"hard", "smooth"}


def test_a_format_of_ones_own(tmp_path):
    run_blocks(ROOT / "docs" / "extending.md", "formats.register")
    with (tmp_path / "export.csv").open("w", newline="") as file:
        points = [("bonnet", 30, 20), ("blowhead", 10, 12), ("blowhead", 11, 30), ("fluke", 1, 1), ("bonnet", 31, 30)]
        csv.writer(file).writerows([label, x, y, "a.jpg", 48, 32] for label, x, y in points)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"photo")
    catalogue = annotations.read(tmp_path)
    assert catalogue.formats == ("make_sense",)
    first, second, third = catalogue.photos
    assert first.points.tolist() == [[30, 20], [10, 12]]
    assert second.points.tolist() == [[31, 30], [11, 30]]  # of another head on the same photo
    assert np.isnan(third.points).all()
    assert not catalogue.warnings


def test_the_table_in_the_guide_is_read(tmp_path):
    [table] = pages.blocks(ROOT / "docs" / "your_photos.md", "csv")
    (tmp_path / "whales.csv").write_text(table)
    for row in csv.DictReader(table.splitlines()):
        (tmp_path / row["Image"]).write_bytes(b"photo")
    catalogue = annotations.read(tmp_path)
    assert catalogue.whales == ("Calvin",)
    assert [bool(photo.encounter) for photo in catalogue.photos] == [True, True, False]
