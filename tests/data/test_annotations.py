"""Every layout of a folder gives the catalogue it describes."""

import json
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from tests.data.folders import LABELS, NAMES, sloth, write_csv
from tests.data.formats.folder import photos
from whale_jax.data import annotations
from whale_jax.data.formats import competition, tabular
from whale_jax.data.rows import Settings
from whale_jax.runtime import errors

NAN = np.nan


def test_competition_layout(root):
    catalogue = annotations.read(root)
    assert [photo.name for photo in catalogue.photos] == list(NAMES)
    assert [photo.whale for photo in catalogue.photos] == ["whale_b", "whale_b", "whale_a", ""]
    assert catalogue.whales == ("whale_c", "whale_b", "whale_a")
    points = np.stack([photo.points for photo in catalogue.photos])
    unknown = [[NAN, NAN], [NAN, NAN]]
    np.testing.assert_array_equal(points, [[[20, 10.5], [5, 10]], [[1, 2], [30, 20]], unknown, unknown])
    np.testing.assert_array_equal(catalogue.photos[2].box, [1.5, 2, 10, 8])
    assert np.isnan(catalogue.photos[0].box).all()
    for photo in catalogue.photos:
        data = (root / "imgs" / photo.name).read_bytes()
        assert catalogue.read_bytes(photo.name) == data
        assert photo.file_size == len(data)


def test_zip_is_read_as_the_folder_is(root):
    folder = annotations.read(root)
    contents = [folder.read_bytes(name) for name in NAMES]
    with zipfile.ZipFile(root / "imgs.zip", "w") as archive:
        for name in NAMES:
            archive.write(root / "imgs" / name, f"imgs/{name}")
            archive.writestr(f"__MACOSX/imgs/._{name}", "no photo")
            (root / "imgs" / name).unlink()
    (root / "imgs").rmdir()
    zipped = annotations.read(root)
    assert [photo.name for photo in zipped.photos] == list(NAMES)
    assert [photo.file_size for photo in zipped.photos] == [photo.file_size for photo in folder.photos]
    assert [zipped.read_bytes(name) for name in NAMES] == contents
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(zipped.read_bytes, NAMES * 50)) == contents * 50


def test_points_from_a_table_are_those_from_json(root):
    expected = [photo.points for photo in annotations.read(root).photos]
    rows = [["Image", "whaleID", "bonnet_tip_x", "bonnet_tip_y", "blowhead_x", "blowhead_y"]]
    rows += [["w_10.jpg", "whale_b", 1, 2, 30, 20], ["w_1.jpg", "whale_b", 20, 10.5, 5, 10]]
    write_csv(root / "train_with_points.csv", rows)
    for file in ("points1.json", "points2.json"):  # both together first, then the table alone
        np.testing.assert_array_equal([photo.points for photo in annotations.read(root).photos], expected)
        (root / file).unlink()
    np.testing.assert_array_equal([photo.points for photo in annotations.read(root).photos], expected)


@pytest.mark.parametrize("filename", ["/home/me/imgs/w_1.jpg", "C:\\me\\w_1.jpg", "imgs/w_1.jpg"])
def test_sloth_paths_and_several_points(root, filename):
    marks = [{"class": "rect", "x": 0, "y": 0, "width": 5, "height": 5}, {"x": 7, "y": 8}, {"x": 9, "y": 9}]
    (root / "points1.json").write_text(json.dumps([{"filename": filename, "annotations": marks}]))
    np.testing.assert_array_equal(annotations.read(root).photos[0].points[0], [7, 8])


@pytest.mark.parametrize("folder", ["", "imgs"])
def test_plain_table(tmp_path, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    for name in ("b.JPG", "a.jpeg", "c.jpg"):
        Image.new("L", (9, 9)).save(tmp_path / folder / name, "JPEG")
    table = [["image", "WhaleID", "note", "encounter", "bonnet_x", "bonnet_y"]]
    table += [["b.JPG", "", "", "2015-08-01", "", ""], ["c.jpg", "Snowball", "calf", "", "4", "5"]]
    write_csv(tmp_path / "catalogue 2015.csv", table)
    catalogue = annotations.read(tmp_path)
    assert [photo.name for photo in catalogue.photos] == ["a.jpeg", "b.JPG", "c.jpg"]
    assert [photo.whale for photo in catalogue.photos] == ["", "", "Snowball"]
    assert [photo.encounter for photo in catalogue.photos] == ["", "2015-08-01", ""]
    np.testing.assert_array_equal(catalogue.photos[2].points, [[4, 5], [NAN, NAN]])
    assert catalogue.whales == ("Snowball",)


def test_crops(tmp_path):
    for folder, name in (("train", "w_2.jpg"), ("train", "w_10.jpg"), ("test", "w_1.jpg")):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / folder / name)
    write_csv(tmp_path / "train.csv", [LABELS[0], LABELS[2], LABELS[3]])
    catalogue = annotations.read(tmp_path)
    assert [(p.name, p.whale) for p in catalogue.photos] == [
        ("w_1.jpg", ""),
        ("w_10.jpg", "whale_b"),
        ("w_2.jpg", "whale_a"),
    ]
    assert catalogue.whales == ("whale_a", "whale_b")


def test_annotated_photos_without_labels(root):
    (root / "train.csv").unlink()
    assert {photo.whale for photo in annotations.read(root).photos} == {""}
    assert np.isfinite(annotations.read(root).photos[0].points).all()


def test_a_label_that_train_csv_holds_back_stays_hidden(root):
    write_csv(root / "train_with_annotations_vinh.csv", [["Image", "whaleID"], ["w_3.jpg", "whale_a"]])
    assert annotations.read(root).photos[-1].whale == ""


def test_annotations_of_absent_photos_are_counted(root):
    (root / "points1.json").write_text(json.dumps(sloth(w_1=(3, 4), w_77=(1, 2), w_78=(1, 2))))
    assert annotations.read(root).unused == 2
    (root / "points1.json").write_text(json.dumps(sloth(w_77=(1, 2))))
    with pytest.raises(errors.InputError, match=r"points1.json entry 1: neither w_77.jpg nor any other"):
        annotations.read(root)


def test_real_folders(whales):
    photos = annotations.read(whales / "photos").photos
    assert len(photos) == 23
    for photo in photos:  # box and points are of the same head
        middle = photo.points.mean(0)
        assert (photo.box[:2] < middle).all()
        assert (middle < photo.box[:2] + photo.box[2:]).all()
    crops = annotations.read(whales / "crops")
    assert (len(crops.photos), len(crops.whales), sum(p.whale == "" for p in crops.photos)) == (4543, 447, 661)


def test_real_annotation_files_agree_and_pass(whales):
    problems = []
    files = [whales / "annotations" / f"{name}.csv" for name in ("train_with_points", "train_with_annotations_vinh")]
    points, boxes = (tabular.read(path, Settings(), problems=problems)[0] for path in files)
    bonnets = competition.sloth(whales / "annotations" / "points1.json", "bonnet", problems=problems)
    assert (problems, len(points), len(boxes), len(bonnets)) == ([], 4544, 4544, 4544)
    assert (boxes[0].path, boxes[0].place) == ("w_7812.jpg", "train_with_annotations_vinh.csv line 2")
    table = {row.path: row.facts["bonnet"] for row in points}
    for row in bonnets:
        np.testing.assert_allclose(row.facts["bonnet"], table[row.path], atol=1e-6)


def test_annotations_without_photos_are_listed_where_they_may_be(whales):
    with pytest.raises(errors.InputError, match="no photos in"):
        annotations.read(whales / "annotations")
    catalogue = annotations.read(whales / "annotations", absent=True)
    assert (len(catalogue.photos), len(catalogue.whales)) == (4544, 447)
    assert catalogue.warnings[0].startswith("no photo is in")
    assert all(np.isfinite(photo.points).all() and np.isfinite(photo.box).all() for photo in catalogue.photos)


def test_a_link_to_a_folder_above_adds_no_photo(tmp_path):
    photos(tmp_path, "a.jpg", "june/b.jpg")
    (tmp_path / "june" / "back").symlink_to(tmp_path)
    assert [photo.name for photo in annotations.read(tmp_path).photos] == ["a.jpg", "june/b.jpg"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    photos(tmp_path, "a.jpg", "june/b.jpg")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("june"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(errors.InputError, match=r"june cannot be listed \(Permission denied\): let this user read it"):
        annotations.read(tmp_path)
