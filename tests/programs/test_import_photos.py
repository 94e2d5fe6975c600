"""The stage counts what it packaged."""

import contextlib
import csv
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ml_collections import ConfigDict
from PIL import Image

from whale_jax.data import right_whale
from whale_jax.programs import pipeline
from whale_jax.runtime import errors
from whale_jax.workflow import json_files, stage


def test_counts(tmp_path):
    root = tmp_path / "catalogue"
    root.mkdir()
    for i in range(4):
        Image.new("RGB", (40, 30), (0, 20 * i, 90)).save(root / f"{i}.jpg")
    (root / "4.jpg").write_bytes(b"no photo")
    columns = ["Image", "whaleID", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y", "x", "y", "width", "height"]
    rows = [["0.jpg", "b", 9, 9, 1, 2, 1, 1, 8, 8], ["1.jpg", "a", 9, 9, *[""] * 6], ["2.jpg", "b", *[""] * 8]]
    with open(root / "whales.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    with pytest.raises(errors.InputError, match=r"4.jpg cannot be decoded \(not a picture of a known kind\)"):
        stage.run(stage.config("import_photos", root=str(root)), tmp_path / "run")
    config = stage.config("import_photos", root=str(root), skip_unreadable=True)
    result = stage.run(config, tmp_path / "run")  # what was refused has left the folder to it
    expected = {"photos": 4, "whales": 2, "labelled": 3, "with_points": 1, "with_box": 1, "unused_annotations": 0}
    assert {key: result[key] for key in expected} == expected
    assert result["skipped"] == ["4.jpg cannot be decoded (not a picture of a known kind)"]
    with warned() as warnings:
        assert stage.run(config, tmp_path / "run") == result
        assert not warnings
        (root / "4.jpg").write_bytes((root / "3.jpg").read_bytes())
        assert stage.run(config, tmp_path / "run") == result
        (root / "0.jpg").unlink()  # of which the table still speaks
        assert stage.run(config, tmp_path / "run") == result
    changed = " has changed since it was imported: choose another --workdir to use it as it is now"
    assert [text.partition(str(root))[2] for text in warnings] == [changed] * 2


def test_names_can_be_withheld_but_for_one_of_each_whale(tmp_path):
    root = tmp_path / "catalogue"
    root.mkdir()
    names = ["a", "a", "a", "a", "b", "b", "c"]
    for i in range(8):
        Image.new("RGB", (40, 30), (0, 20 * i, 90)).save(root / f"{i}.jpg")
    lines = [f"{i}.jpg,{name}" for i, name in enumerate(names)]
    (root / "whales.csv").write_text("\n".join(["Image,whaleID", *lines]))
    whole = stage.run(stage.config("import_photos", root=str(root)), tmp_path / "whole")
    again = {"imported": str(tmp_path / "whole"), "drawn": ""}
    few, least = (
        stage.run(stage.config("import_photos", inputs=again, withheld_fraction=share), tmp_path / f"{share}")
        for share in (0.4, 1.0)
    )
    assert [result["labelled"] for result in (whole, few, least)] == [7, 4, 3]  # 0.4 of seven are three
    assert [result["whales"] for result in (whole, few, least)] == [3, 3, 3]
    photos = right_whale.load(tmp_path / "1.0")
    assert sorted(photos.whale[photos.label >= 0]) == ["a", "b", "c"]
    assert photos.digest != right_whale.load(tmp_path / "whole").digest
    with pytest.raises(errors.InputError, match=r"config.withheld_fraction = 55 must be from 0 to 1"):
        stage.run(stage.config("import_photos", inputs=again, withheld_fraction=55.0), tmp_path / "percent")


def test_an_import_of_an_import_reads_its_folder_in_the_same_way(tmp_path):
    root = tmp_path / "catalogue"
    root.mkdir()
    for i in range(4):
        Image.new("RGB", (40, 30), (0, 20 * i, 90)).save(root / f"{i}.jpg")
    lines = ["Image,whaleID,place", "0.jpg,a,bay", "1.jpg,a,bay", "2.jpg,calf,bay", "3.jpg,b,cape"]
    (root / "whales.csv").write_text("\n".join(lines))
    first = stage.config("import_photos", root=str(root), no_whale=("calf",), columns={"encounter": "place"})
    stage.run(first, tmp_path / "first")
    for before, name in (("first", "second"), ("second", "third")):
        stage.run(
            stage.config("import_photos", inputs={"imported": str(tmp_path / before), "drawn": ""}), tmp_path / name
        )
        photos = right_whale.load(tmp_path / name)
        assert photos.whales == ("a", "b")
        assert photos.encounter.tolist() == ["bay", "bay", "bay", "cape"]
    again = {"imported": str(tmp_path / "third"), "drawn": ""}
    result = stage.run(stage.config("import_photos", inputs=again, no_whale=("b",)), tmp_path / "fourth")
    assert result["whales"] == 2  # a and calf
    assert right_whale.load(tmp_path / "fourth").whales == ("a", "calf")


@contextlib.contextmanager
def warned():
    """The warnings that are logged meanwhile."""
    messages, handler = [], logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    absl = logging.getLogger("absl")
    absl.addHandler(handler)
    try:
        yield messages
    finally:
        absl.removeHandler(handler)


def test_photos_that_viewers_turn_are_named(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, options in (("a.jpg", {}), ("b.jpg", {"exif": exif})):
        Image.new("RGB", (40, 30)).save(tmp_path / name, **options)
    with warned() as warnings:
        stage.run(stage.config("import_photos", root=str(tmp_path)), tmp_path / "run")
    assert [text for text in warnings if text.startswith("1 photos are turned") and text.endswith("look at b.jpg")]


def test_photos_with_blank_parts_are_counted_and_kept(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (40, 30)).save(tmp_path / name)
    Image.effect_noise((40, 30), 50).save(tmp_path / "c.jpg")
    with warned() as warnings:
        assert stage.run(stage.config("import_photos", root=str(tmp_path)), tmp_path / "run")["photos"] == 3
    assert [text for text in warnings if text.startswith("2 photos have blank parts") and text.endswith("at a.jpg")]


def test_names_that_a_spreadsheet_would_run_are_named(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (40, 30)).save(tmp_path / name)
    (tmp_path / "table.csv").write_text("Image,whaleID\na.jpg,=1+1\nb.jpg,b\n")
    with warned() as warnings:
        stage.run(stage.config("import_photos", root=str(tmp_path)), tmp_path / "run")
    assert [text for text in warnings if "'=1+1'" in text and "spreadsheet" in text]


TEXT = """
import sys
from pathlib import Path
import numpy as np
from whale_jax.data import right_whale, splits, tables
from whale_jax.runtime import process
from whale_jax.workflow import json_files, stage
process.set_up()
root, run = Path(sys.argv[1]), Path(sys.argv[2])
stage.run(stage.config("import_photos", root=str(root)), run)
photos = right_whale.load(run)
split = splits.make(photos, folds=2, seed=0, groups=np.arange(2))
splits.save(run, photos, split=split)
tables.write(run / "out.csv", ["Image", *photos.whales], rows=zip(photos.name, photos.encounter))
json_files.write(run / "out.json", {"whales": photos.whales})
print(*photos.whales)
print(*photos.whales, file=sys.stderr)
"""


@pytest.mark.slow
def test_names_beyond_ascii_pass_through_where_the_machine_knows_only_ascii(tmp_path):
    root, run = tmp_path / "photos", tmp_path / "run"
    root.mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.effect_noise((40, 30), 50).save(root / name)
    (root / "table.csv").write_text("Image,whaleID,encounter\na.jpg,Niño,høst\nb.jpg,鯨,été\n", encoding="utf-8")
    ascii_only = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "", "LC_ALL": "C"}
    program = [sys.executable, "-c", TEXT, str(root), str(run)]
    home = Path(__file__).parents[2]
    process = subprocess.run(program, env=os.environ | ascii_only, cwd=home, capture_output=True, check=False)
    assert process.returncode == 0, process.stderr.decode()
    assert process.stdout == b"Ni\\xf1o \\u9be8\n"
    assert process.stdout in process.stderr
    table = (run / "out.csv").read_bytes().decode("utf-8").splitlines()
    assert table == ["Image,Niño,鯨", "a.jpg,høst", "b.jpg,été"]
    assert json_files.read(run / "out.json") == {"whales": ["Niño", "鯨"]}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "Image,whaleID\na.jpg,x\nb.jpg,y\n",
            "stage box .* photos with box, and there are none: fill in x, y, width and height",
        ),
        (
            "Image,whaleID,bonnet_x,bonnet_y,blowhead_x,blowhead_y\na.jpg,,9,9,20,20\n",
            "stage name .* photos of two whales",
        ),
        ("Image,whaleID,bonnet_x,bonnet_y,blowhead_x,blowhead_y\na.jpg,x,9,9,20,20\n", "stage name .* of two whales"),
    ],
)
def test_a_pipeline_says_at_once_which_annotations_it_lacks(tmp_path, table, message):
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (40, 30)).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "table.csv").write_text(table)
    stages = {"photos": stage.config("import_photos", root=str(tmp_path / "photos"))}
    for name, task in (("find", "keypoints"), ("box", "bbox"), ("name", "classify")):
        parts = {"task": {"name": task}, "model": {"name": "vgg", "stages": ((4, 1),)}}
        stages[name] = stage.config("train", inputs={"photos": "photos"}, **parts)
    with pytest.raises(errors.InputError, match=message):
        stage.run(stage.config("pipeline", stages=stages), tmp_path / "run")


def test_what_a_split_must_hold_out_for_a_calibration():
    stages = ConfigDict({"calibrated": stage.config("calibrate")})
    pipeline.check_data(stages, "split", result={"held_out_groups": [2, 0]})
    with pytest.raises(errors.InputError, match="stage calibrated needs photos of two sightings"):
        pipeline.check_data(stages, "split", result={"held_out_groups": [1, 2]})


def test_no_root(tmp_path):
    with pytest.raises(errors.InputError, match="name the folder that holds them"):
        stage.run(stage.config("import_photos"), tmp_path)


def test_a_photo_that_changed_at_equal_size_is_named(tmp_path):
    for name, colour in (("a.jpg", 0), ("b.jpg", 0)):
        Image.new("RGB", (40, 30), (colour,) * 3).save(tmp_path / name)
    config = stage.config("import_photos", root=str(tmp_path))
    stage.run(config, tmp_path / "run")
    later = (tmp_path / "run" / "config.json").stat().st_mtime + 10
    os.utime(tmp_path / "a.jpg", (later, later))  # touched, and the same
    content = bytearray((tmp_path / "b.jpg").read_bytes())
    content[-3] ^= 1
    with warned() as warnings:
        stage.run(config, tmp_path / "run")
    assert not warnings
    (tmp_path / "b.jpg").write_bytes(content)
    os.utime(tmp_path / "b.jpg", (later, later))
    with warned() as warnings:
        stage.run(config, tmp_path / "run")
    [text] = warnings
    assert "has changed since it was imported: 1 photos, such as b.jpg, have other pixels" in text
