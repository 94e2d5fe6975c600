"""Folders per individual, photos alone, and files that are no photos."""

import pytest

from tests.data.formats.folder import named, photos, read, table
from whale_jax.data import decisions
from whale_jax.data.decisions import Decision
from whale_jax.runtime.errors import InputError


def test_folders_of_individuals_at_any_depth(tmp_path):
    names = ["2019-04-02/Eg 1001/a.jpg", "2019-04-03/Eg 1001/left/a.JPG", "2020/whale_7/DCIM/100CANON/a.jpg"]
    photos(tmp_path, *names, "unknown/b.jpg", "c.jpg")
    catalogue = read(tmp_path)
    assert catalogue.formats == ("folders",)
    assert dict(named(catalogue)) == dict(zip(names, ["Eg 1001", "Eg 1001", "whale_7"], strict=True)) | {
        "unknown/b.jpg": "",
        "c.jpg": "",
    }
    assert [entry.date for entry in catalogue.photos][:2] == ["2019-04-02", "2019-04-03"]


def test_whales_that_are_called_by_numbers_like_years(tmp_path):
    """As right whales are in their catalogue."""
    names = ["1602/a.jpg", "1911/b.jpg", "2029/left/c.jpg", "1602/2019/d.jpg", "Calvin/2020/e.jpg"]
    photos(tmp_path / "all", *names)
    whales = ["1602", "1911", "2029", "1602", "Calvin"]
    assert dict(named(read(tmp_path / "all"))) == dict(zip(names, whales, strict=True))
    photos(tmp_path / "below", *(f"Right whales/{name}" for name in names[:3]))
    assert sorted(whale for _, whale in named(read(tmp_path / "below"))) == ["1602", "1911", "2029"]
    photos(tmp_path / "days", "2019/1602/a.jpg", "2020/1911/b.jpg", "0412/Calvin/c.jpg")
    assert sorted(whale for _, whale in named(read(tmp_path / "days"))) == ["1602", "1911", "Calvin"]
    photos(tmp_path / "two", "Catalogue/1602/Cape Cod Bay/a.jpg", "Catalogue/1703/b.jpg", "Surveys/2019/c.jpg")
    assert sorted(whale for _, whale in named(read(tmp_path / "two"))) == ["", "1602", "1703"]


@pytest.mark.parametrize("names", [["2019-04-02/a.jpg", "2019-04-03 pm/a.jpg"], ["flight 1/a.jpg", "flight 2/b.jpg"]])
def test_folders_of_survey_days_name_nobody(tmp_path, names):
    photos(tmp_path, *names)
    catalogue = read(tmp_path)
    assert catalogue.formats == ("photos",)
    assert named(catalogue) == [(name, "") for name in names]


def test_a_survey_that_was_reviewed_is_no_whale(tmp_path):
    names = ["1001/a.jpg", "1002/b.jpg", "june/c.jpg", "june/d.jpg", "june/Eg 1003/e.jpg"]
    photos(tmp_path, *names)
    decisions.write(tmp_path / "june" / "decisions.csv", [Decision("c.jpg", "1001", "whale"), Decision("d.jpg")])
    catalogue = read(tmp_path)
    assert [whale for _, whale in named(catalogue)] == ["1001", "1002", "Eg 1003", "1001", ""]
    assert any("decisions about them lie there: june" in line for line in catalogue.notes)
    photos(tmp_path / "one", "1001/a.jpg", "Cape Cod/june/c.jpg", "Cape Cod/june/d.jpg")
    decisions.write(tmp_path / "one/Cape Cod/june/decisions.csv", [Decision("c.jpg", "1001", "whale")])
    assert [whale for _, whale in named(read(tmp_path / "one"))] == ["1001", "1001", ""]


def test_decisions_in_a_whales_own_folder_leave_it_a_whale(tmp_path):
    photos(tmp_path, "Eg 1001/a.jpg", "Eg 1001/b.jpg", "Eg 1002/c.jpg")
    rows = [Decision("a.jpg", "", "skip"), Decision("b.jpg", "Eg 1001", "whale")]
    decisions.write(tmp_path / "Eg 1001" / "decisions.csv", rows)
    assert [whale for _, whale in named(read(tmp_path))] == ["Eg 1001", "Eg 1001", "Eg 1002"]


def test_kinds_that_cannot_be_read_are_named_and_the_others_read(tmp_path):
    photos(tmp_path, "a.heic", "IMG_1.HEIC", "b.png", "c.tif", "d.webp")
    for name in ("e.cr2", "old.xls", "notes.txt", "Thumbs.db", ".hidden", "~$w.xlsx"):  # the last of an open table
        (tmp_path / name).write_bytes(b"II*\0")
    table(tmp_path / "w.csv", ["Image", "whaleID"], ["IMG_1.HEIC", "1"], ["b.png", "1"], ["c.tif", "2"])
    catalogue = read(tmp_path)
    assert [entry.file for entry in catalogue.photos] == ["IMG_1.HEIC", "a.heic", "b.png", "c.tif", "d.webp"]
    text = "\n".join(catalogue.warnings)
    assert all(name in text for name in ("e.cr2: save raw photos", "old.xls: save it as .xlsx", "notes.txt"))
    assert "Thumbs" not in text
    assert "~$" not in text
    assert "hidden" not in text


def test_the_folders_of_runs_are_passed_over(tmp_path):
    photos(tmp_path, "a.jpg", "runs/report/heads.png", "other/b.jpg")
    (tmp_path / "runs" / "config.json").write_text('{"program": "report"}')
    for content in ("{}", "[1]", "7"):  # a file of that name which some other tool has left
        (tmp_path / "other" / "config.json").write_text(content)
        assert named(read(tmp_path)) == [("a.jpg", ""), ("other/b.jpg", "")]


def test_a_photo_is_found_by_what_tells_it_from_the_others(tmp_path):
    photos(tmp_path, "a/IMG_1.jpg", "b/IMG_1.jpg", "c/IMG_2.JPG")
    rows = [["C:\\survey\\b\\IMG_1.JPG", "Eg1"], ["img_2", "Eg2"]]
    table(tmp_path / "w.csv", ["photo", "id"], *rows)
    assert named(read(tmp_path)) == [("a/IMG_1.jpg", ""), ("b/IMG_1.jpg", "Eg1"), ("c/IMG_2.JPG", "Eg2")]
    table(tmp_path / "w.csv", ["photo", "id"], ["IMG_1.jpg", "Eg1"])
    with pytest.raises(
        InputError, match=r"w.csv line 2: IMG_1.jpg is 2 photos, a/IMG_1.jpg, b/IMG_1.jpg: write the folder"
    ):
        read(tmp_path)


def test_a_row_of_another_folder_is_of_another_photo_where_the_photo_has_its_own(tmp_path):
    photos(tmp_path, "2020/IMG_1.jpg", "2020/IMG_2.jpg")
    table(tmp_path / "w.csv", ["photo", "id"], ["2019/IMG_1.jpg", "Calvin"], ["2020/IMG_1.jpg", "Delta"])
    with pytest.raises(InputError, match=r"w.csv line 2: no photo 2019/IMG_1.jpg in"):
        read(tmp_path)
    table(tmp_path / "w.csv", ["photo", "id"], ["old/IMG_1.jpg", "Calvin"], ["old/IMG_2.jpg", "Delta"])
    assert [whale for _, whale in named(read(tmp_path))] == ["Calvin", "Delta"]  # a folder that was renamed
    rows = [["/home/2019/IMG_1", "Calvin"], ["/home/2020/IMG_1", "Delta"]]  # and names without their endings
    table(tmp_path / "w.csv", ["photo", "id"], *rows)
    with pytest.raises(InputError, match=r"^w.csv line 2: no photo /home/2019/IMG_1 in .*: add it, or remove the row$"):
        read(tmp_path)
    photos(tmp_path / "few", "selection/IMG_1.jpg")
    table(tmp_path / "few" / "w.csv", ["photo", "id"], ["2019/IMG_1.jpg", "Calvin"], ["2020/IMG_1.jpg", "Delta"])
    with pytest.raises(InputError, match=r"line 2: no photo 2019/IMG_1.jpg in .*\n.*line 3: no photo 2020/IMG_1.jpg"):
        read(tmp_path / "few")


def test_na_is_no_encounter_and_no_date(tmp_path):
    """R writes it into empty cells."""
    photos(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    rows = [["a.jpg", "Eg1", "NA", "NA"], ["b.jpg", "Eg1", "NA", "NA"], ["c.jpg", "NA", "x", "2019-04-02"]]
    table(tmp_path / "w.csv", ["Image", "whaleID", "encounter", "date"], *rows)
    catalogue = read(tmp_path)
    assert [(photo.encounter, photo.date) for photo in catalogue.photos] == [("", ""), ("", ""), ("x", "2019-04-02")]


def test_the_folder_tells_photos_apart_before_their_case_does(tmp_path):
    photos(tmp_path, "june/IMG_1.jpg", "july/IMG_1.JPG")
    table(tmp_path / "w.csv", ["photo", "id"], ["july/IMG_1.jpg", "Calvin"])
    assert dict(named(read(tmp_path))) == {"june/IMG_1.jpg": "", "july/IMG_1.JPG": "Calvin"}


def test_photos_and_whales_whose_names_differ_by_the_kind_of_a_blank(tmp_path):
    photos(tmp_path, "Eg 1001/a.jpg", "Eg\u00a01001/b.jpg", "Eg 1002 /c.jpg")
    assert [whale for _, whale in named(read(tmp_path))] == ["Eg 1001", "Eg 1002", "Eg 1001"]
    photos(tmp_path, "x y.jpg", "x\u202fy.jpg")
    with pytest.raises(InputError, match=r"'x y.jpg' and 'x\\u202fy.jpg' differ by nothing but blanks"):
        read(tmp_path)


def test_a_photo_of_another_kind_is_pointed_at(tmp_path):
    photos(tmp_path, "IMG_1.jpg")
    table(tmp_path / "w.csv", ["Image", "whaleID"], ["IMG_1.HEIC", "Eg1"])
    with pytest.raises(InputError, match=r"no photo IMG_1.HEIC in .* \(did you mean IMG_1.jpg\?\)"):
        read(tmp_path)


def test_names_that_unicode_writes_in_two_ways_are_one(tmp_path):
    photos(tmp_path, "An\u0303os_e\u0301.jpg")
    table(tmp_path / "w.csv", ["Image", "whaleID"], ["A\u00f1os_\u00e9.jpg", "Nin\u0303a"])
    assert named(read(tmp_path)) == [("A\u00f1os_\u00e9.jpg", "Ni\u00f1a")]


def test_photos_beside_the_folder_of_photos_are_read_and_named(tmp_path):
    photos(tmp_path, "imgs/w_1.jpg", "w_7489.jpg")
    table(tmp_path / "train.csv", ["Image", "whaleID"], ["w_1.jpg", "a"], ["w_7489.jpg", "b"])
    catalogue = read(tmp_path)
    assert named(catalogue) == [("w_1.jpg", "a"), ("w_7489.jpg", "b")]
    assert any("w_7489.jpg" in line for line in catalogue.warnings)
