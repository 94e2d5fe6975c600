"""Every layout of a folder gives the catalogue it describes; every mistake in one is named with its file and row."""

import csv
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from whale_jax import errors
from whale_jax.data import annotations, tables

NAMES = ("w_1.jpg", "w_10.jpg", "w_2.jpg", "w_3.jpg")  # sorted as text
LABELS = [["Image", "whaleID"], ["w_1.jpg", "whale_b"], ["w_2.jpg", "whale_a"], ["w_10.jpg", "whale_b"]]
SAMPLE = [["Image", "whale_c", "whale_b", "whale_a"], ["w_3.jpg", "0.1", "0.2", "0.7"]]
BOXES = [["", "Image", "x", "y", "width", "height"], ["0", "w_2.jpg", "1.5", "2", "10", "8"]]
NAN = np.nan


def write_csv(path, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)


def sloth(**points):
    """Entries of a Sloth file: w_1=(x, y)."""
    marks = {name: [] if at is None else [{"class": "point", "x": at[0], "y": at[1]}] for name, at in points.items()}
    return [{"annotations": mark, "class": "image", "filename": f"{name}.jpg"} for name, mark in marks.items()]


@pytest.fixture
def root(tmp_path):
    """A folder in the competition's layout: three labelled photos of 48x32, one to be named."""
    (tmp_path / "imgs").mkdir()
    for i, name in enumerate(NAMES):
        Image.new("RGB", (48, 32), (20 * i, 40, 60)).save(tmp_path / "imgs" / name)
    write_csv(tmp_path / "train.csv", LABELS)
    write_csv(tmp_path / "sample_submission.csv", SAMPLE)
    write_csv(tmp_path / "train_with_annotations_vinh.csv", BOXES)
    (tmp_path / "points1.json").write_text(json.dumps(sloth(w_1=(20, 10.5), w_2=None, w_10=(1, 2))))
    (tmp_path / "points2.json").write_text(json.dumps(sloth(w_10=(30, 20), w_1=(5, 10))))
    return tmp_path


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
    points, boxes = (tables.read_table(path, problems) for path in files)
    bonnets = tables.read_sloth(whales / "annotations" / "points1.json", "bonnet", problems)
    assert (problems, len(points), len(boxes), len(bonnets)) == ([], 4544, 4544, 4544)
    assert boxes["w_7812.jpg"].where == "train_with_annotations_vinh.csv line 2"
    for name, row in bonnets.items():
        np.testing.assert_allclose(row.facts["bonnet"], points[name].facts["bonnet"], atol=1e-6)


# What is wrong -> the file that gets a new content, that content, and what the message must say.
POINTS = ["Image", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y"]
BAD = {
    "missing image": (
        "train.csv",
        [*LABELS, ["w_33.jpg", "whale_a"]],
        "train.csv line 5: no photo w_33.jpg .*mean w_3",
    ),
    "missing test image": (
        "sample_submission.csv",
        [*SAMPLE, ["w_9.jpg", 1, 0, 0]],
        "submission.csv line 3: no photo w_9",
    ),
    "duplicate row": ("train.csv", [*LABELS, LABELS[1]], "train.csv line 5: w_1.jpg is in train.csv line 2 already"),
    "duplicate entry": (
        "points2.json",
        sloth(w_1=(1, 2)) * 2,
        "points2.json entry 2: w_1.jpg is in points2.json entry 1",
    ),
    "duplicate box": (
        "train_with_annotations_vinh.csv",
        [*BOXES, BOXES[1]],
        "vinh.csv line 3: w_2.jpg is in .* line 2",
    ),
    "unknown whale": (
        "train.csv",
        [*LABELS, ["w_3.jpg", "whale_bb"]],
        "train.csv line 5: whale_bb is not a column of sample_submission.csv .*did you mean whale_b",
    ),
    "labelled test photo": (
        "train.csv",
        [*LABELS, ["w_3.jpg", "whale_a"]],
        "submission.csv line 2: w_3.jpg has a whale",
    ),
    "equal points": (
        "points2.json",
        sloth(w_1=(20.2, 10.5)),
        "points2.json entry 1: the two points of w_1.jpg are equal",
    ),
    "NaN": (
        "train_with_points.csv",
        [POINTS, ["w_1.jpg", 1, "nan", 3, 4]],
        "points.csv line 2, bonnet_x, bonnet_y: '1', 'nan'",
    ),
    "not a number": (
        "train_with_points.csv",
        [POINTS, ["w_1.jpg", 1, "x", 3, 4]],
        "line 2, bonnet_x, .*not all numbers",
    ),
    "half a point": (
        "train_with_points.csv",
        [POINTS, ["w_1.jpg", 1, "", 3, 4]],
        "line 2, bonnet_x, .*not all numbers",
    ),
    "null in JSON": ("points1.json", sloth(w_1=(None, 3)), "points1.json entry 1, x, y: None, 3 are not all numbers"),
    "no filename": ("points1.json", [{"annotations": []}], "points1.json entry 1: no filename"),
    "box without area": (
        "train_with_annotations_vinh.csv",
        [BOXES[0], [0, "w_2.jpg", 1, 2, 0, 8]],
        "line 2: the box .*no area",
    ),
    "two sources": (
        "train_with_points.csv",
        [POINTS, ["w_1.jpg", 5, 5, 3, 4]],
        "points.csv line 2: bonnet of w_1.jpg is",
    ),
    "missing column": ("train.csv", [["Image", "whale_id"]], "train.csv line 1: no column 'whaleID' .*mean whale_id"),
    "misspelt column": ("train.csv", [[*LABELS[0], "bonet_x"]], "unknown column 'bonet_x': did you mean 'bonnet_x'"),
    "half the columns": (
        "train_with_annotations_vinh.csv",
        [["Image", "x", "y", "width"]],
        "line 1: no column 'height'",
    ),
    "empty table": ("train.csv", [], "train.csv line 1: no column 'Image'"),
    "short row": ("train.csv", [*LABELS, ["w_3.jpg"]], "train.csv line 5: 1 cells where the first line has 2"),
    "no name": ("train.csv", [*LABELS, ["", "whale_a"]], "train.csv line 5: no name of a photo"),
    "not JSON": ("points1.json", '[\n{"filename": \n', r"points1.json is not JSON \(.*line 3"),
    "not text": ("train.csv", b"Image,whaleID\n\xff\xfe\x00", "train.csv is no CSV in UTF-8"),
    "no whales in sample": ("sample_submission.csv", [["Image"]], "sample_submission.csv line 1: its columns must be"),
    "whale twice in sample": (
        "sample_submission.csv",
        [["Image", "a", "a"]],
        "sample_submission.csv line 1: its columns",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input(root, what):
    name, content, message = BAD[what]
    if isinstance(content, bytes | str):
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    elif name.endswith(".json"):
        (root / name).write_text(json.dumps(content))
    else:
        write_csv(root / name, content)
    with pytest.raises(errors.InputError, match=message):
        annotations.read(root)


def test_line_numbers_are_those_of_the_file(root):
    (root / "train.csv").write_text(
        '\ufeffImage,whaleID\r\n\r\n"w_1.jpg","whale_b"\r\n\r\nw_99.jpg,whale_a\r\n', "utf-8"
    )
    with pytest.raises(errors.InputError, match=r"train.csv line 5: no photo w_99.jpg"):
        annotations.read(root)


def test_many_problems_come_at_once_with_a_count(root):
    write_csv(root / "train.csv", [*LABELS, *([f"x_{i}.jpg", "whale_a"] for i in range(30))])
    with pytest.raises(errors.InputError) as caught:
        annotations.read(root)
    lines = str(caught.value).splitlines()
    assert len(lines) == tables.MOST + 1
    assert lines[-1] == "and 20 more problems"


def test_folders_that_hold_nothing(tmp_path):
    with pytest.raises(errors.InputError, match="no folder"):
        annotations.read(tmp_path / "nowhere")
    with pytest.raises(errors.InputError, match="no photos in"):
        annotations.read(tmp_path)
    (tmp_path / "imgs.zip").write_bytes(b"PK\3\4 cut off")
    with pytest.raises(errors.InputError, match="no complete zip"):
        annotations.read(tmp_path)


def test_two_tables_are_ambiguous(root):
    (root / "train.csv").rename(root / "mine.csv")
    write_csv(root / "yours.csv", LABELS)
    with pytest.raises(errors.InputError, match=r"several tables \(mine.csv, yours.csv\)"):
        annotations.read(root)


def test_two_photos_of_one_name(root):
    for folder in ("train", "test"):
        (root / "imgs").rename(root / folder) if folder == "train" else (root / folder).mkdir()
    (root / "test" / "w_1.jpg").write_bytes(b"")
    with pytest.raises(errors.InputError, match=r"w_1.jpg: there are two photos of this name"):
        annotations.read(root)
