"""The Python in the documents runs, and does what the text around it says."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.docs import pages
from tests.docs.pages import ROOT
from tests.programs import runs
from whale_jax.data import annotations, right_whale, splits
from whale_jax.workflow import program, stage

TABLES = (program.PROGRAMS,)


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
    """28 photos of four whales, imported, split and cut into views: the first stages of a pipeline."""
    root, run = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("run")
    runs.write(root, run)
    stage.run(stage.config("align", inputs={"photos": str(run / "photos")}, size=(40, 80)), run / "view")
    return run


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


def test_an_export_becomes_a_table_that_is_read(tmp_path):
    table_of = run_blocks(ROOT / "docs" / "your_photos.md", "table_of")["table_of"]
    with (tmp_path / "export").open("w", newline="") as file:
        csv.writer(file).writerows([["bonnet", 30, 20, "a.jpg", 48, 32], ["blowhead", 10, 12, "a.jpg", 48, 32]])
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"photo")
    table_of(tmp_path / "export", {"a.jpg": "Calvin", "b.jpg": ""}, tmp_path / "whales.csv")
    first, second = annotations.read(tmp_path).photos
    assert (first.whale, first.points.tolist()) == ("Calvin", [[30, 20], [10, 12]])
    assert second.whale == ""
    assert np.isnan(second.points).all()


def test_the_table_in_the_guide_is_read(tmp_path):
    [table] = pages.blocks(ROOT / "docs" / "your_photos.md", "csv")
    (tmp_path / "whales.csv").write_text(table)
    for row in csv.DictReader(table.splitlines()):
        (tmp_path / row["Image"]).write_bytes(b"photo")
    catalogue = annotations.read(tmp_path)
    assert catalogue.whales == ("Calvin",)
    assert [bool(photo.encounter) for photo in catalogue.photos] == [True, True, False]


def test_photos_and_split_are_those_of_a_run(folder):
    photos = right_whale.load(folder / "photos")
    assert len(splits.valid_rows(splits.load(folder / "split", photos), 0))
