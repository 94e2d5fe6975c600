"""The catalogue lists what a folder holds, in a layout that is read back, and says aloud what is odd."""

import csv
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.formats.folder import photo, photos, table
from whale_jax.data import annotations
from whale_jax.runtime import errors
from whale_jax.workflow import stage

EXAMPLES = Path(__file__).parents[3] / "shared" / "inputs" / "make.py"


def run(root, workdir, **settings):
    return stage.run(stage.config("catalogue", data={"root": str(root)}, **settings), workdir)


def rows(workdir):
    with open(workdir / "catalogue.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_catalogue_is_read_back_as_it_was(tmp_path):
    root = tmp_path / "photos"
    photos(root, "a/p.jpg", "b/p.jpg")
    header = ["path", "identity", "sighting", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y", "bbox"]
    two = [["a/p.jpg", "Eg1", "s1", 100.25, 50, 60, 60, ""], ["a/p.jpg", "Eg2", "s1", 9, 9, 30, 31, "[1, 2, 33.5, 44]"]]
    table(root / "w.csv", header, *two, ["b/p.jpg", "?", "", "", "", "", "", ""])
    result = run(root, tmp_path / "run")
    assert (result["photos"], result["heads"], result["whales"], result["with_points"]) == (2, 3, 2, 2)
    first = annotations.read(root)
    (root / "w.csv").unlink()
    (root / "catalogue.csv").write_bytes((tmp_path / "run" / "catalogue.csv").read_bytes())
    second = annotations.read(root)
    assert [entry[:2] + entry[4:6] for entry in first.photos] == [entry[:2] + entry[4:6] for entry in second.photos]
    for before, after in zip(first.photos, second.photos, strict=True):
        np.testing.assert_array_equal(before.points, after.points)
        np.testing.assert_array_equal(before.box, after.box)
    assert rows(tmp_path / "run")[1]["source"] == "w.csv line 3"


def test_a_folder_that_has_changed_is_listed_anew(tmp_path):
    photos(tmp_path / "photos", "a.jpg")
    assert run(tmp_path / "photos", tmp_path / "run")["photos"] == 1
    photos(tmp_path / "photos", "b.jpg")
    assert run(tmp_path / "photos", tmp_path / "run")["photos"] == 2
    assert [row["Image"] for row in rows(tmp_path / "run")] == ["a.jpg", "b.jpg"]


def test_damaged_blank_turned_and_copied_photos_are_named_and_listed(tmp_path):
    root = tmp_path / "photos"
    photos(root, "whole.jpg", "cut.jpg", "ended.jpg")
    (root / "copy.jpg").write_bytes((root / "whole.jpg").read_bytes())
    (root / "cut.jpg").write_bytes((root / "cut.jpg").read_bytes()[:3000])
    (root / "ended.jpg").write_bytes((root / "ended.jpg").read_bytes()[:-2])
    Image.new("RGB", (60, 40)).save(root / "black.png")
    exif = Image.Exif()
    exif[0x0112] = 8
    photo(root / "turned.jpg", exif=exif)
    warnings = "\n".join(run(root, tmp_path / "run")["warnings"])
    assert "cut.jpg cannot be decoded" in warnings
    assert "lack the end of their file, but no pixel; copy them again: ended.jpg" in warnings
    assert "of one colour: black.png" in warnings
    assert "are of their pixels as stored: turned.jpg" in warnings
    assert "copy.jpg = whole.jpg" in warnings
    assert len(rows(tmp_path / "run")) == 6


def test_tables_without_photos_are_listed(tmp_path):
    table(tmp_path / "photos" / "w.csv", ["Image", "whaleID"], *([f"{i}.jpg", "Eg1"] for i in range(3)))
    assert run(tmp_path / "photos", tmp_path / "run")["photos"] == 3
    with pytest.raises(errors.InputError, match="no photos in"):
        stage.run(stage.config("import_photos", root=str(tmp_path / "photos")), tmp_path / "import")


def test_words_that_are_no_choice_and_no_folder_are_refused(tmp_path):
    with pytest.raises(errors.InputError, match="unknown units 'inches'"):
        run(tmp_path, tmp_path / "run", units="inches")
    with pytest.raises(errors.InputError, match=r"set --config.data.root"):
        run("", tmp_path / "run")


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the folders of examples are not beside the repository")
def test_examples_come_out_as_expected(tmp_path):
    """Folders as people have them, each with what should come of it."""
    examples = runpy.run_path(str(EXAMPLES))
    examples["write"](tmp_path, examples["CASES"])
    problems = {}
    for case in sorted(tmp_path.iterdir()):
        expected = json.loads((case / "expect.json").read_text(encoding="utf-8"))
        try:
            result, code = run(case / "photos", case / "run"), 0
            messages = [*result["notes"], *result["warnings"]]
        except errors.InputError as error:
            messages, code = [str(error)], 2
        text = "\n".join(messages).casefold()
        silent = [word for word in expected["says"] if word.casefold() not in text]
        listed = rows(case / "run") if code == 0 else []
        absent = [row for row in expected["rows"] if not any(same(row, entry) for entry in listed)]
        if code != expected["exit"] or silent or absent or len(listed) != len(expected["rows"]):
            problems[case.name] = (code, silent, absent, listed)
    assert not problems


def same(expected, entry):
    """Whether a row of catalogue.csv says what is expected of it, numbers to within half a pixel."""
    return all(
        entry[key] == value if isinstance(value, str) else bool(entry[key]) and abs(float(entry[key]) - value) <= 0.5
        for key, value in expected.items()
    )
