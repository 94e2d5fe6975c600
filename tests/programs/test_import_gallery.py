"""A gallery is imported with the photos of the root, whoever reads them; without one, nothing is as it was not."""

import numpy as np
import pytest
from PIL import Image

from tests.data.formats.folder import table
from tests.programs.test_import_photos import warned
from whale_jax.data import gallery_folder, right_whale
from whale_jax.data.shards import Shard
from whale_jax.runtime import errors
from whale_jax.workflow import json_files, stage


@pytest.fixture
def pair(tmp_path):
    """A folder of five photos to ask about, and a gallery of six."""
    root, gallery = tmp_path / "new", tmp_path / "catalogue"
    for folder, count in ((root, 5), (gallery, 6)):
        folder.mkdir()
        for i in range(count):
            Image.effect_noise((40 + i, 30), 50).save(folder / f"{i}.jpg")
    columns = ["Image", "whaleID", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y"]
    table(gallery / "w.csv", columns, *([f"{i}.jpg", f"Eg{i % 3}", 10 + i, 10, 20, 20] for i in range(6)))
    return root, gallery


def config(root, gallery="", **changes):
    return stage.config("import_photos", root=str(root), gallery=str(gallery), **changes)


def assert_equal(first, second):
    for name, value, expected in zip(first._fields, first, second, strict=True):
        if name != "jpeg":
            np.testing.assert_array_equal(value, expected)
    rows = range(len(first.name))
    assert [first.jpeg(row) for row in rows] == [second.jpeg(row) for row in rows]


def test_both_are_one_dataset(pair, tmp_path):
    root, gallery = pair
    result = stage.run(config(root, gallery), tmp_path / "run")
    counts = {"photos": 11, "whales": 3, "labelled": 6, "with_points": 6, "gallery": 6}
    assert {key: result[key] for key in counts} == counts
    photos = right_whale.load(tmp_path / "run")
    rows = gallery_folder.gallery_rows(photos)
    assert rows.sum() == 6
    np.testing.assert_array_equal(rows, photos.label >= 0)
    for row, name in enumerate(photos.name.tolist()):
        folder = gallery if rows[row] else root
        assert photos.jpeg(row) == (folder / name.removeprefix("gallery/")).read_bytes()


def test_shards_are_the_import_of_one_process(pair, tmp_path):
    stage.run(config(*pair), tmp_path / "whole")
    for shard in ("0/3", "1/3", "2/3"):
        stage.run_shard(config(*pair), tmp_path / "shards", shard=Shard.read(shard))
    assert_equal(right_whale.load(tmp_path / "shards"), right_whale.load(tmp_path / "whole"))
    assert json_files.read(tmp_path / "shards" / "result.json")["gallery"] == 6


def test_photos_of_an_earlier_import_are_imported_with_its_gallery(pair, tmp_path):
    stage.run(config(*pair), tmp_path / "whole")
    again = stage.config(
        "import_photos", inputs={"imported": str(tmp_path / "whole"), "drawn": ""}, withheld_fraction=0.5
    )
    assert stage.run(again, tmp_path / "few")["labelled"] == 3
    assert right_whale.load(tmp_path / "few").name.tolist() == right_whale.load(tmp_path / "whole").name.tolist()


@pytest.mark.parametrize("side", [0, 1])
def test_a_change_in_either_folder_is_noticed(pair, tmp_path, side):
    stage.run(config(*pair), tmp_path / "run")
    with warned() as warnings:
        stage.run(config(*pair), tmp_path / "run")
    assert not warnings
    (pair[side] / "4.jpg").write_bytes((pair[side] / "3.jpg").read_bytes())
    with warned() as warnings:
        stage.run(config(*pair), tmp_path / "run")
    [line] = warnings
    assert line.startswith(f"{pair[0]} or {pair[1]} has changed since it was imported")


def test_a_photo_of_the_gallery_with_other_pixels_is_named(pair, tmp_path):
    stage.run(config(*pair), tmp_path / "run")
    path = pair[1] / "3.jpg"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with warned() as warnings:
        stage.run(config(*pair), tmp_path / "run")
    assert "1 photos, such as gallery/3.jpg, have other pixels" in warnings[0]


def test_a_gallery_without_names_leaves_no_trace(pair, tmp_path):
    (pair[1] / "w.csv").unlink()
    with pytest.raises(errors.InputError, match=r"gallery: no photo in .* has the name of a whale"):
        stage.run(config(*pair), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_each_folder_has_its_format_and_both_have_the_other_settings(pair, tmp_path):
    root, gallery = pair
    table(gallery / "w.csv", ["Foto", "Tier", "callosity"], ["0.jpg", "Eg1", 1])
    (root / "w.csv").write_bytes((gallery / "w.csv").read_bytes())
    columns = {"columns.Image": "Foto", "columns.whaleID": "Tier"}
    settings = config(root, gallery, format="photos", gallery_format="table")
    for key, value in columns.items():
        settings.columns[key.partition(".")[2]] = value
    assert stage.run(settings, tmp_path / "run")["labelled"] == 1


def test_a_gallery_is_part_of_the_digest(pair, tmp_path):
    root, gallery = pair
    digests = {stage.run(config(root, folder), tmp_path / str(bool(folder)))["digest"] for folder in ("", gallery)}
    other = config(root, gallery, gallery_format="table")
    assert len(digests | {stage.run(other, tmp_path / "table")["digest"]}) == 3
