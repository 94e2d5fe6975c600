"""Tables in the formats of the tools and communities that write them."""

import datetime

import numpy as np
import openpyxl
import pytest

from tests.data.formats.folder import named, photos, read, table
from whale_jax.data import cells
from whale_jax.runtime.errors import InputError

POINTS = ("bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y")


def spreadsheet(path, *rows, formats=()):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, text in formats:
        book.active[cell].number_format = text
    book.save(path)


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("w.csv", "Image,whaleID,bonnet_x,bonnet_y\np.jpg,Niño,100.5,50\n", "utf-8-sig"),
        ("w.csv", "Image;whaleID;bonnet_x;bonnet_y\np.jpg;Niño;100,5;50\n", "utf-8"),
        ("w.csv", "Image\twhaleID\tbonnet_x\tbonnet_y\np.jpg\tNiño\t100,5\t50\n", "utf-16"),
        ("w.tsv", "file name\tIndividual ID\tBonnet X\tbonnet-y\nP.JPG\tNiño\t100.5\t50\n", "utf-8"),
        ("w.csv", "\ufeffImage,whaleID\u00a0,bonnet_x\u200b,bonnet_y\np.jpg,Nin\u0303o\u200b,100.5,50\n", "utf-8"),
    ],
    ids=["mark", "semicolon", "UTF-16", "words", "invisible"],
)
def test_a_table_of_any_spelling(tmp_path, name, text, encoding):
    photos(tmp_path, "p.jpg")
    (tmp_path / name).write_text(text, encoding=encoding)
    catalogue = read(tmp_path)
    assert named(catalogue) == [("p.jpg", "Niño")]
    np.testing.assert_array_equal(catalogue.photos[0].points[0], [100.5, 50])


def test_a_spreadsheet_keeps_numbers_as_they_are_shown(tmp_path):
    photos(tmp_path, "p.jpg", "q.jpg")
    day = datetime.datetime(2021, 4, 2)
    spreadsheet(
        tmp_path / "w.xlsx", ["Image", "whaleID", "date", None], ["p.jpg", 1001, day], ["q.jpg", 1002.0], [None]
    )
    catalogue = read(tmp_path)
    assert named(catalogue) == [("p.jpg", "1001"), ("q.jpg", "1002")]
    assert [entry.date for entry in catalogue.photos] == ["2021-04-02", ""]


@pytest.mark.parametrize(
    "whale", ["1001.0", "5E+10", "5,2E+10", "02-Apr", "Apr-21", "2021-04-02", "4/2/2021", "04.02.21", "#REF!", "#N/A"]
)
def test_what_a_spreadsheet_made_of_a_name_is_refused(tmp_path, whale):
    photos(tmp_path, "p.jpg")
    table(tmp_path / "w.csv", ["Image", "whaleID"], ["p.jpg", whale])
    with pytest.raises(InputError, match=r"w.csv line 2: .* is no name, it looks like"):
        read(tmp_path)


@pytest.mark.parametrize(("value", "style"), [(5e10, "0.00E+00"), (datetime.datetime(2021, 4, 2), "d-mmm")])
def test_damage_is_seen_in_the_format_of_a_cell(tmp_path, value, style):
    photos(tmp_path, "p.jpg")
    spreadsheet(tmp_path / "w.xlsx", ["Image", "whaleID"], ["p.jpg", value], formats=[("B2", style)])
    with pytest.raises(InputError, match=r"w.xlsx row 2: .* is no name"):
        read(tmp_path)


@pytest.mark.parametrize("whale", ["Eg1001", "1001", "E10", "1E", "A.0", "2-April-Fool", "Dec", "10-4", "1/2"])
def test_a_name_that_only_resembles_damage_is_kept(tmp_path, whale):
    photos(tmp_path, "p.jpg")
    table(tmp_path / "w.csv", ["Image", "whaleID"], ["p.jpg", whale])
    assert named(read(tmp_path)) == [("p.jpg", whale)]


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_a_title_above_the_header_and_blank_columns_beside_it_are_passed_over(tmp_path, suffix):
    photos(tmp_path, "p.jpg")
    rows = [["Catalogue 2021"], [], ["Image", "whaleID", "encounter"], ["p.jpg", "Eg1", ""]]
    if suffix == "xlsx":
        spreadsheet(tmp_path / "w.xlsx", *rows, [None, None, None, None, None])
    else:
        (tmp_path / "w.csv").write_text("\n".join(";".join(row) for row in rows))
    assert named(read(tmp_path)) == [("p.jpg", "Eg1")]


def test_a_table_without_photos_is_named_and_not_read(tmp_path):
    photos(tmp_path, "p.jpg")
    table(tmp_path / "whales.csv", ["Image", "whaleID"], ["p.jpg", "Eg1"])
    table(tmp_path / "weather.csv", ["day", "wind"], ["1", "2"])
    catalogue = read(tmp_path)
    assert named(catalogue) == [("p.jpg", "Eg1")]
    assert "tables not read: weather.csv" in catalogue.warnings


def test_several_sheets_are_refused(tmp_path):
    photos(tmp_path, "p.jpg")
    book = openpyxl.Workbook()
    book.active.append(["Image"])
    book.create_sheet("more").append(["Image"])
    book.save(tmp_path / "w.xlsx")
    with pytest.raises(InputError, match=r"w.xlsx has several sheets \(Sheet, more\)"):
        read(tmp_path)


def test_words_for_no_whale_are_counted_aloud(tmp_path):
    words = ["1001", "unknown", "new_whale", "NA", "?", "", "Unknown", "calf?"]
    photos(tmp_path, *(f"p{i}.jpg" for i in range(8)))
    table(tmp_path / "w.csv", ["Image", "whaleID"], *([f"p{i}.jpg", word] for i, word in enumerate(words)))
    catalogue = read(tmp_path, no_whale=(*cells.NO_WHALE, "calf?"))
    assert [entry.whale for entry in catalogue.photos] == ["1001"] + [""] * 7
    [line] = [note for note in catalogue.notes if note.startswith("no whale")]
    assert all(f"{word!r} 1 times" in line for word in words[1:5])


def test_columns_that_are_not_used_and_names_that_look_alike_are_listed(tmp_path):
    photos(tmp_path, "p.jpg", "q.jpg")
    table(tmp_path / "w.csv", ["Image", "whaleID", "beaufort"], ["p.jpg", "Eg1234", "3"], ["q.jpg", "EG 1234", "2"])
    catalogue = read(tmp_path)
    assert "w.csv: columns not used: beaufort" in catalogue.notes
    assert any("EG 1234 and Eg1234" in line for line in catalogue.warnings)


def test_a_person_can_say_which_column_is_which(tmp_path):
    photos(tmp_path, "p.jpg")
    table(tmp_path / "w.csv", ["Foto", "Tier", "Tag"], ["p.jpg", "Eg1", "2021-01-01"])
    catalogue = read(tmp_path, columns={"whaleID": "Tier", "date": "Tag"})
    assert named(catalogue) == [("p.jpg", "Eg1")]
    assert catalogue.photos[0].encounter == "2021-01-01 Eg1"
    with pytest.raises(InputError, match=r"no column 'Tierr', which columns names .did you mean Tier"):
        read(tmp_path, columns={"whaleID": "Tierr"})


def test_mother_and_calf_are_two_rows_of_one_photo(tmp_path):
    photos(tmp_path, "p.jpg")
    rows = [["p.jpg", "1001", 100, 50, 60, 60], ["p.jpg", "1002", 200, 150, 180, 140]]
    table(tmp_path / "w.csv", ["Image", "whaleID", *POINTS], *rows)
    catalogue = read(tmp_path)
    assert [(entry.name, entry.whale) for entry in catalogue.photos] == [("p.jpg", "1001"), ("p.jpg#2", "1002")]
    assert [entry.points[0, 0] for entry in catalogue.photos] == [100, 200]
    assert catalogue.read_bytes("p.jpg#2") == (tmp_path / "p.jpg").read_bytes()
    table(tmp_path / "w.csv", ["Image", "whaleID"], ["p.jpg", "1001"], ["p.jpg", "1002"])
    catalogue = read(tmp_path)
    assert [entry.whale for entry in catalogue.photos] == ["1001", "1002"]
    assert any("several whales, without marks that tell which is where: p.jpg" in line for line in catalogue.warnings)
    table(tmp_path / "w.csv", ["Image", "whaleID"], ["p.jpg", "1001"], ["p.jpg", "1001"])
    with pytest.raises(InputError, match=r"line 3: p.jpg is in w.csv line 2 already: remove one of them"):
        read(tmp_path)


def test_wildlife_datasets(tmp_path):
    """metadata.csv of wildlife-datasets 1.0."""
    photos(tmp_path, "images/x/p.jpg", "images/y/p.jpg")
    header = ["image_id", "identity", "path", "bbox", "date", "orientation", "species"]
    first = ["0", "A", "images/x/p.jpg", "[10, 20, 100, 80]", "2019-06-01", "top", "right_whale"]
    table(tmp_path / "metadata.csv", header, first, ["1", "unknown", "images/y/p.jpg", "", "2019-06-02", "", ""])
    catalogue = read(tmp_path)
    assert catalogue.formats == ("wildlife_datasets",)
    assert named(catalogue) == [("images/x/p.jpg", "A"), ("images/y/p.jpg", "")]
    np.testing.assert_array_equal(catalogue.photos[0].box, [10, 20, 100, 80])


def test_deepsense(tmp_path):
    """The retraining table of deepsense.ai's right-whale pipeline: height and width are the photo's."""
    photos(tmp_path, "p.jpg")
    header = ["Image", "whaleID", "callosity", "blowhead_x", "blowhead_y", "bonnet_x", "bonnet_y", "height", "width"]
    table(tmp_path / "train.csv", header, ["p.jpg", "1001", 1, 60, 60, 100, 50, 200, 320])
    catalogue = read(tmp_path)
    assert catalogue.formats == ("deepsense",)
    np.testing.assert_array_equal(catalogue.photos[0].points, [[100, 50], [60, 60]])
    assert np.isnan(catalogue.photos[0].box).all()
    table(tmp_path / "train.csv", header, ["p.jpg", "1001", 1, 60, 60, 100, 50, 400, 640])
    assert any("p.jpg of 320x200, drawn on 640x400" in line for line in read(tmp_path).warnings)


@pytest.mark.parametrize(
    ("header", "folders", "unnamed"),
    [
        (["image", "species", "individual_id"], ("train_images", "test_images"), "new_individual"),  # 2022
        (["Image", "Id"], ("train", "test"), "new_whale"),  # 2018 and 2019
    ],
)
def test_happywhale(tmp_path, header, folders, unnamed):
    names = [f"{folders[0]}/a.jpg", f"{folders[0]}/b.jpg", f"{folders[1]}/c.jpg"]
    photos(tmp_path, *names)
    middle = ["southern_right_whale"] * (len(header) - 2)
    table(tmp_path / "train.csv", header, ["a.jpg", *middle, "w_1"], ["b.jpg", *middle, unnamed])
    table(tmp_path / "sample_submission.csv", ["image", "predictions"], ["c.jpg", "w_1 w_2"])
    if header[0] == "Image":  # these two cannot be told from ready crops by a sample in our layout
        (tmp_path / "sample_submission.csv").unlink()
    catalogue = read(tmp_path)
    assert catalogue.formats == ("happywhale",)
    assert sorted(named(catalogue)) == sorted(zip(names, ["w_1", "", ""], strict=True))


@pytest.mark.parametrize("excel", [False, True])
def test_wildbook_bulk_import(tmp_path, excel):
    """Bulk import of Wildbook 10: a row an encounter."""
    photos(tmp_path, "photos/IMG_1.JPG", "photos/IMG_2.JPG", "photos/IMG_3.JPG")
    header = ["Encounter.mediaAsset0", "Encounter.mediaAsset1", "MarkedIndividual.individualID", "Sighting.sightingID"]
    header += ["Encounter.year", "Encounter.month", "Encounter.day", "Encounter.latitude"]
    rows = [
        ["IMG_1.JPG", "IMG_2.JPG", "Eg1001", "s-17", 2021, 4, 2, 41.5],
        ["IMG_3.JPG", "", "", "s-18", 2021, 4, "", ""],
    ]
    if excel:
        spreadsheet(tmp_path / "bulk.xlsx", header, *rows)
    else:
        table(tmp_path / "bulk.csv", header, *rows)
    catalogue = read(tmp_path)
    assert catalogue.formats == ("wildbook",)
    assert [(entry.whale, entry.encounter, entry.date) for entry in catalogue.photos] == [
        *[("Eg1001", "s-17", "2021-04-02")] * 2,
        ("", "s-18", "2021-04"),
    ]
    assert any("columns not used: Encounter.latitude" in line for line in catalogue.notes)
