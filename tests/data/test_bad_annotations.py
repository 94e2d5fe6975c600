"""Every mistake in a folder is named with its file and row."""

import json
import os
import shutil
import tracemalloc
import zipfile

import pytest

from tests.data.folders import BOXES, LABELS, NAMES, SAMPLE, sloth, write_csv
from whale_jax.data import annotations, cells, check, folder
from whale_jax.runtime import errors

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
    "missing column": (
        "train.csv",
        [["Image", "animal"]],
        "train.csv line 1: no column 'whaleID': the first line says Image, animal",
    ),
    "misspelt column": ("train.csv", [[*LABELS[0], "bonet_x"]], "unknown column 'bonet_x': did you mean 'bonnet_x'"),
    "half the columns": (
        "train_with_annotations_vinh.csv",
        [["Image", "x", "y", "width"]],
        "line 1: no column 'height'",
    ),
    "a quote not closed": (
        "train.csv",
        'Image,whaleID\nw_1.jpg,"whale_b\nw_2.jpg,whale_a\n',
        "train.csv line 2: no CSV .*is a quote of this line not closed",
    ),
    "a quote closed by the next stray one": (
        "train.csv",
        'Image,whaleID\nw_1.jpg,"whale_b\nw_2.jpg,whale_a\nw_10.jpg,"',
        r"train.csv line 2: a quote before whale_b\\nw_2.jpg,whale_a\\nw_10.jpg, is not closed: close it$",
    ),
    "a quote in a column that is not read": (
        "train.csv",
        'Image,whaleID,note\nw_1.jpg,whale_b,"calf\nw_2.jpg,whale_a,\nw_10.jpg,whale_b,"\n',
        r"train.csv line 2: a quote before calf\\nw_2.jpg,whale_a,.* is not closed",
    ),
    "a quote in the first line": (
        "train.csv",
        'Image,whaleID,"note\nw_1.jpg,whale_b,\nw_2.jpg,whale_a,"\n',
        "train.csv line 1: a quote before note.* is not closed",
    ),
    "a cell without end": (
        "train.csv",
        'Image,whaleID\nw_1.jpg,"' + "whale\n" * 30_000,
        "train.csv line 2: no CSV .field larger than field limit",
    ),
    "a line break in an id": (
        "train.csv",
        'Image,whaleID\nw_1.jpg,"whale\nb"\n',
        r"train.csv line 2: whale\\nb has a line break",
    ),
    "a NUL behind an id": ("train.csv", "Image,whaleID\nw_1.jpg,whale_b\0\n", r"line 2: whale_b\\x00 has .*control"),
    "a NUL in the sample": ("sample_submission.csv", "Image,a,a\0\n", r"line 1: a\\x00 has .*control"),
    "a NUL in JSON": ("points1.json", sloth(**{"w_1\0": (1, 2)}), r"points1.json entry 1: w_1\\x00.jpg has .*control"),
    "half a character": ("points1.json", sloth(**{"w_1\ud800": (1, 2)}), r"entry 1: w_1\\ud800.jpg has .*control"),
    "a long id": (
        "train.csv",
        [*LABELS, ["w_3.jpg", "whale" * 100]],
        r"train.csv line 5: (whale){12}\.\.\. has 500 characters, and a name at most 255",
    ),
    "no rows": ("train.csv", [LABELS[0]], "train.csv lists no photo: add a row for each, or remove the file"),
    "a path": (
        "train.csv",
        [*LABELS, ["../../etc/passwd", "whale_a"]],
        r"train.csv line 5 \(../../etc/passwd\): no photo passwd in",
    ),
    "a folder": ("train.csv", [*LABELS, ["imgs/", "whale_a"]], "train.csv line 5: no name of a photo"),
    "nested JSON": ("points1.json", "[" * 100_000, "points1.json is not JSON .*recursion"),
    "a huge number": ("points1.json", sloth(w_1=(10**400, 3)), r"entry 1, x, y: 1000\S*\.\.\., 3 are not all numbers"),
    "no list of annotations": (
        "points1.json",
        [{"filename": "w_1.jpg", "annotations": 5}],
        "entry 1: .*no list of ann",
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


@pytest.mark.parametrize("case", BAD)
def test_bad_input(root, case):
    name, content, message = BAD[case]
    if isinstance(content, bytes | str):
        (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    elif name.endswith(".json"):
        (root / name).write_text(json.dumps(content))
    else:
        write_csv(root / name, content)
    with pytest.raises(errors.InputError, match=message) as caught:
        annotations.read(root)
    assert len(str(caught.value)) < len(str(root)) + 300


def test_a_note_may_have_line_breaks(root):
    (root / "train.csv").write_text('Image,whaleID,note\nw_1.jpg,whale_b,"a calf,\nby its side"\nw_2.jpg,whale_a,\n')
    whales = [photo.whale for photo in annotations.read(root).photos]
    assert whales == ["whale_b", "", "whale_a", ""]


def test_file_names_that_are_no_text(root):
    (root / "imgs" / "Ni\udcf1o.jpg").write_bytes(b"")
    with pytest.raises(errors.InputError, match=r"file name '.*Ni\\udcf1o.jpg' is not in utf-8: rename it"):
        annotations.read(root)
    (root / "imgs" / "Ni\udcf1o.jpg").rename(root / "imgs" / "w\n1.jpg")
    with pytest.raises(errors.InputError, match=r"file name w\\n1.jpg has a line break .*rename it"):
        annotations.read(root)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_that_is_too_large_is_not_read(root, zipped):
    size = folder.LARGEST + 1
    if zipped:
        shutil.rmtree(root / "imgs")
        archive = zipfile.ZipFile(root / "imgs.zip", "w", zipfile.ZIP_DEFLATED)
        with archive, archive.open("w_1.jpg", "w") as file:
            for _ in range(size // 2**20 + 1):
                file.write(bytes(2**20))
    else:
        os.truncate(root / "imgs" / "w_1.jpg", size)
    with pytest.raises(errors.InputError, match=r"imgs(.zip)?/w_1.jpg is too large .* \(0.25 GiB, more than 0.25\)"):
        annotations.read(root)


def test_a_zip_file_that_lies_about_a_size_is_not_unpacked_beyond_it(root):
    shutil.rmtree(root / "imgs")
    with zipfile.ZipFile(root / "imgs.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in NAMES:
            archive.writestr(name, bytes(2**24))
    (root / "imgs.zip").write_bytes(
        (root / "imgs.zip").read_bytes().replace((2**24).to_bytes(4, "little"), b"\1\0\0\0")
    )
    catalogue = annotations.read(root)
    assert [photo.file_size for photo in catalogue.photos] == [1] * 4
    tracemalloc.start()
    assert "cannot be decoded" in check.decode(catalogue.read_bytes, catalogue.photos[0]).problem
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22


def test_formulas():
    assert cells.formulas(["whale", "=1+1", "+1", "-1", "@a", "a=1", ""]) == ["=1+1", "+1", "-1", "@a"]


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
    assert len(lines) == cells.MOST + 1
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
    for name in ("train", "test"):
        (root / "imgs").rename(root / name) if name == "train" else (root / name).mkdir()
    (root / "test" / "w_1.jpg").write_bytes(b"")
    with pytest.raises(errors.InputError, match=r"w_1.jpg: there are two photos of this name"):
        annotations.read(root)
