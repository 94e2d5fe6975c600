"""What is exported is read back as it was, and is what the tools of others expect."""

import csv
import shutil
import zipfile

import numpy as np
import openpyxl
import pytest
from PIL import Image

from whale_jax.data import annotations, exports, listing
from whale_jax.runtime import errors
from whale_jax.workflow import stage

# Photo, whale, encounter, date; then bonnet, blowhead and box of some.
ROWS = [
    (
        "a/1.jpg",
        "Eg 1001",
        "s-17",
        "2021-04-02",
        2034.4137,
        1200.7501,
        1180.123,
        1010.5,
        1000.25,
        900.0626,
        1100,
        400.5,
    ),
    ("a/2.jpg", "Eg 1001", "s-17", "2021-04-02"),
    ("b/1.jpg", "Eg 1001", "s-18", "2021-04-05"),
    ("b/3.jpg", "=1+1", "s-18", "2021-04-05"),
    ("b/4.jpg", "", "s-18", "2021-04-05"),
    ("b/5.jpg", "", "s-18", "2021-04-05"),
    ("c/6.jpg", "Eg 1002", "", "2021-05"),
    ("c/7.jpg", "Eg 1002", "", "2022-05-01"),
    ("c/8.jpg", "Eg 1003", "", ""),
]


@pytest.fixture
def root(tmp_path):
    """Photos in folders, two of them of one name, and a table."""
    write(tmp_path / "root", ROWS)
    return tmp_path / "root"


def write(root, rows, size=(2400, 1600)):
    """A folder of photos that all differ, and its table."""
    for i, path in enumerate(dict.fromkeys(row[0] for row in rows)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (i % 8 * 30, i // 8 * 30 % 256, 120)).save(root / path)
    with (root / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([listing.COLUMNS[:-1], *([*row, *[""] * (12 - len(row))] for row in rows)])


def run(root, workdir, layout, **changes):
    return stage.run(stage.config("export", layout=layout, data={"root": str(root)}, **changes), workdir)


def facts(folder, key="name"):
    """Texts and marks of each photo in a folder, by its name or by its content."""
    catalogue = annotations.read(folder)
    photos = {p.name if key == "name" else catalogue.read_bytes(p.name): p for p in catalogue.photos}
    assert len(photos) == len(catalogue.photos)
    texts = {key: (p.whale, p.encounter, p.date) for key, p in photos.items()}
    return texts, {key: np.array([*p.points.ravel(), *p.box]) for key, p in photos.items()}


def beside_photos(root, table, target):
    """A folder with the same photos and another table."""
    shutil.copytree(root, target, ignore=shutil.ignore_patterns("table.csv"))
    shutil.copy(table, target)
    return target


def table_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_our_table_is_read_back_with_every_mark(root, tmp_path):
    two = [("d/9.jpg", "Eg 1001", "", "", 20.5, 30, 40, 50), ("d/9.jpg", "Calf", "", "", 900.5, 30, 800, 50)]
    write(root, [*ROWS, *two])
    result = run(root, tmp_path / "run", "csv")
    assert (result["photos"], result["heads"], result["whales"], result["encounters"]) == (10, 11, 5, 2)
    assert any("formulas" in line and line.endswith("=1+1") for line in result["warnings"])
    texts, marks = facts(root)
    again, marks_again = facts(beside_photos(root, tmp_path / "run" / "catalogue.csv", tmp_path / "copy"))
    assert again == texts
    assert "d/9.jpg#2" in again
    for name, numbers in marks.items():
        np.testing.assert_array_equal(marks_again[name], numbers)  # to a bit, which is more than 1e-3 pixels
    np.testing.assert_allclose(marks_again["a/1.jpg"], ROWS[0][4:], atol=1e-3)


def test_a_folder_that_has_changed_since_is_named(root, tmp_path, caplog):
    run(root, tmp_path / "run", "csv")
    run(root, tmp_path / "run", "csv")
    assert "changed since" not in caplog.text
    write(root, ROWS[:-1])
    run(root, tmp_path / "run", "csv")
    assert f"{root} has changed since: choose another --workdir" in caplog.text


def test_folders_are_read_back_with_every_mark_and_every_byte(root, tmp_path):
    run(root, tmp_path / "run", "folders")
    texts, marks = facts(root, key="bytes")
    again, marks_again = facts(tmp_path / "run" / "photos", key="bytes")
    assert again == texts
    for content, numbers in marks.items():
        np.testing.assert_array_equal(marks_again[content], numbers)
    paths = {path.relative_to(tmp_path / "run" / "photos").as_posix() for path in (tmp_path / "run").rglob("*.jpg")}
    home = {"Eg 1001/a/1.jpg", "Eg 1001/2.jpg", "Eg 1001/b/1.jpg"}  # where two have a name, they keep their folders
    assert paths == home | {"=1+1/3.jpg", "unknown/4.jpg", "unknown/5.jpg"} | {
        f"Eg {whale}/{name}.jpg" for whale, name in ((1002, 6), (1002, 7), (1003, 8))
    }


def test_wildbooks_spreadsheet_is_read_back_and_keeps_its_rules(root, tmp_path):
    result = run(root, tmp_path / "run", "wildbook")
    path = tmp_path / "run" / "wildbook.xlsx"
    assert facts(beside_photos(root, path, tmp_path / "copy"))[0] == facts(root)[0]
    cells = [[cell.value for cell in row] for row in openpyxl.load_workbook(path).active]
    rows = [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]
    assert len(rows) == 8  # photos of a whale on a day of an encounter share a row, and photos without a name do not
    assert {(row["Encounter.genus"], row["Encounter.specificEpithet"]) for row in rows} == {("Eubalaena", "glacialis")}
    first = next(row for row in rows if row["Encounter.mediaAsset1"])
    assert [first[f"Encounter.{key}"] for key in ("mediaAsset0", "mediaAsset1", "year", "month", "day")] == (
        ["a/1.jpg", "2.jpg", 2021, 4, 2]
    )
    sightings = [row["Sighting.sightingID"] for row in rows]
    assert sightings == sorted(sightings, key=bool)  # to a later empty cell, Wildbook gives the sighting before it
    lines = [line.partition(": ")[::2] for line in result["warnings"]]
    assert [names for text, names in lines if "without a date" in text] == ["c/8.jpg"]
    assert [names for text, names in lines if "name of another" in text] == ["a/1.jpg, b/1.jpg"]


def test_columns_without_data_are_left_out_and_large_imports_are_named(tmp_path):
    write(tmp_path / "root", [(f"w_{i}.jpg", "") for i in range(exports.MOST + 1)], size=(24, 16))
    result = run(tmp_path / "root", tmp_path / "run", "wildbook", species="Eubalaena australis")
    header, *rows = openpyxl.load_workbook(tmp_path / "run" / "wildbook.xlsx").active.values
    assert header == ("Encounter.mediaAsset0", "Encounter.genus", "Encounter.specificEpithet")
    assert (len(rows), rows[0]) == (exports.MOST + 1, ("w_0.jpg", "Eubalaena", "australis"))
    assert any(line.startswith("201 encounters") for line in result["warnings"])


@pytest.mark.parametrize(("occasion", "length", "surveys"), [("day", 10, 3), ("month", 7, 3), ("year", 4, 2)])
def test_a_row_of_captures_counts_the_occasions_that_a_whale_was_seen_on(root, tmp_path, occasion, length, surveys):
    result = run(root, tmp_path / "run", "capture_history", occasion=occasion)
    days_of = {}
    for _, whale, _, date, *_ in ROWS:
        if whale and len(date) >= length:
            days_of.setdefault(whale, set()).add(date[:length])
    rows = table_of(tmp_path / "run" / "capture_history.csv")
    assert [len(row) for row in rows] == [1 + surveys] * len(days_of)
    columns = list(rows[0])[1:]
    assert columns == sorted(columns)
    assert {row["whaleID"]: {day for day in columns if row[day] == "1"} for row in rows} == days_of
    assert {row[day] for row in rows for day in columns} == {"0", "1"}
    undated = sum(len(date) < length for _, _, _, date, *_ in ROWS)
    assert any(line.startswith(f"{undated} photos are left out") for line in result["warnings"])
    assert any(line.startswith("2 photos without a name") for line in result["warnings"])


def test_a_survey_on_which_no_named_whale_was_seen_is_a_column_of_zeros(tmp_path):
    write(
        tmp_path / "root",
        [("1.jpg", "a", "", "2021-04-02"), ("2.jpg", "", "", "2021/04/03"), ("3.jpg", "b", "", "4/5/21")],
    )
    result = run(tmp_path / "root", tmp_path / "run", "capture_history")
    assert table_of(tmp_path / "run" / "capture_history.csv") == [
        {"whaleID": "a", "2021-04-02": "1", "2021-04-03": "0"}
    ]
    assert any("3.jpg (4/5/21)" in line for line in result["warnings"])


HOSTILE = {
    "../x": "_.._x",
    "..": "_",
    "CON": "_CON",
    "lpt1.old": "_lpt1.old",
    "/etc": "_etc",
    r"C:\x": "C__x",
    "Eg 1.": "Eg 1",
    ".hidden": "_.hidden",
    "unknown ": "unknown (2)",
}


def test_no_name_leaves_its_folder_or_takes_the_folder_of_another(tmp_path):
    ids = [
        *HOSTILE,
        "a/b",
        "a_b",
        "A_B",
        "imgs",
        "catalogue.csv",
        *(letter * number for letter in "xÅ鯨" for number in (250, 251)),
    ]
    names = exports.folder_names(ids)
    assert {whale: names[whale] for whale in HOSTILE} == HOSTILE
    assert len({name.casefold() for name in names.values()}) == len({*ids, ""})
    assert not {names["imgs"], names["catalogue.csv"]} & {"imgs", "catalogue.csv"}
    for name in names.values():
        assert (tmp_path / name).resolve().parent == tmp_path.resolve()
        (tmp_path / name).mkdir()  # a name that is too long, or there already, raises


def test_whales_of_hostile_names_are_read_back_from_their_folders(tmp_path):
    ids = [whale for whale in HOSTILE if whale == whale.strip()]
    write(tmp_path / "root", [(f"{i}.jpg", whale, "", "") for i, whale in enumerate(ids)])
    result = run(tmp_path / "root", tmp_path / "run", "folders")
    assert facts(tmp_path / "run" / "photos", key="bytes")[0] == facts(tmp_path / "root", key="bytes")[0]
    assert any("another name" in line and "../x in _.._x" in line for line in result["warnings"])
    assert {path.name for path in tmp_path.iterdir()} == {"root", "run"}
    shutil.rmtree(tmp_path / "run" / "photos" / "_CON")
    (tmp_path / "run" / "result.json").unlink()  # as if it had been cut off
    with pytest.raises(errors.InputError, match="photos is there already: delete it"):
        run(tmp_path / "root", tmp_path / "run", "folders")


def test_a_photo_that_cannot_be_read_leaves_nothing_half_written(tmp_path):
    write(tmp_path / "root" / "imgs", [("1.jpg", "a"), ("2.jpg", "b")])
    shutil.move(tmp_path / "root" / "imgs" / "table.csv", tmp_path / "root")
    with zipfile.ZipFile(tmp_path / "root" / "imgs.zip", "w") as archive:
        for name in ("1.jpg", "2.jpg"):
            archive.write(tmp_path / "root" / "imgs" / name, f"imgs/{name}")
    shutil.rmtree(tmp_path / "root" / "imgs")
    content = bytearray((tmp_path / "root" / "imgs.zip").read_bytes())
    content[len(content) - 1000] ^= 1  # within the second photo
    (tmp_path / "root" / "imgs.zip").write_bytes(content)
    with pytest.raises(errors.InputError, match=r"2.jpg cannot be read \(Bad CRC-32"):
        run(tmp_path / "root", tmp_path / "run", "folders")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("layout", "changes", "message"),
    [
        ("wildbok", {}, "unknown layout 'wildbok': did you mean wildbook"),
        ("capture_history", {"occasion": "days"}, "unknown occasion 'days': did you mean day"),
        ("wildbook", {"species": "Eubalaena"}, "give genus and epithet"),
        ("capture_history", {}, "no named whale has a date of which the day can be read"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_leaves_no_trace(tmp_path, layout, changes, message):
    write(tmp_path / "root", [("1.jpg", "a", "", "soon"), ("2.jpg", "b")])
    with pytest.raises(errors.InputError, match=message):
        run(tmp_path / "root", tmp_path / "run", layout, **changes)
    assert not (tmp_path / "run").exists()


def test_tables_without_photos_are_exported_but_not_to_folders(root, tmp_path):
    (tmp_path / "tables").mkdir()
    shutil.copy(root / "table.csv", tmp_path / "tables")
    run(tmp_path / "tables", tmp_path / "run", "csv")
    assert len(table_of(tmp_path / "run" / "catalogue.csv")) == len(ROWS)
    with pytest.raises(errors.InputError, match="no photos in"):
        run(tmp_path / "tables", tmp_path / "copies", "folders")
