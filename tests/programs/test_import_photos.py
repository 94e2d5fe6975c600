"""The stage counts what it packaged."""

import csv

import pytest
from PIL import Image

from whale_jax import errors
from whale_jax.programs import stage


def test_counts(tmp_path):
    root = tmp_path / "catalogue"
    root.mkdir()
    for i in range(4):
        Image.new("RGB", (40, 30), (0, 20 * i, 90)).save(root / f"{i}.jpg")
    (root / "4.jpg").write_bytes(b"no photo")
    columns = ["Image", "whaleID", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y", "x", "y", "width", "height"]
    rows = [["0.jpg", "b", 9, 9, 1, 2, 1, 1, 8, 8], ["1.jpg", "a", 9, 9, *[""] * 6], ["2.jpg", "b", *[""] * 8]]
    with open(root / "whales.csv", "w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    with pytest.raises(errors.InputError, match=r"4.jpg cannot be decoded \(not a JPEG\)"):
        stage.run(stage.config("import_photos", root=str(root)), tmp_path / "refused")
    result = stage.run(stage.config("import_photos", root=str(root), skip_unreadable=True), tmp_path / "run")
    expected = {"photos": 4, "whales": 2, "labelled": 3, "with_points": 1, "with_box": 1, "unused_annotations": 0}
    assert {key: result[key] for key in expected} == expected
    assert result["skipped"] == ["4.jpg cannot be decoded (not a JPEG)"]


def test_no_root(tmp_path):
    with pytest.raises(errors.InputError, match="set root"):
        stage.run(stage.config("import_photos"), tmp_path)
