"""Decisions in a folder of photos come before what its other files say, whatever its format."""

import numpy as np
import pytest

from tests.data.formats.folder import SIZE, dump, named, photos, read, table
from whale_jax.data import decisions
from whale_jax.data.decisions import Decision
from whale_jax.runtime.errors import InputError

POINTS = np.float32([[100.1, 50.7], [60.3, 60.9]])
UNKNOWN = np.full((2, 2), np.nan, np.float32)
COLUMNS = ("Image", "whaleID", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y")


def decide(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    decisions.write(path, rows)


def competition(root):
    photos(root, "imgs/a.jpg", "imgs/b.jpg", "imgs/c.jpg")
    table(root / "train.csv", ["Image", "whaleID"], ["a.jpg", "Eg1"], ["b.jpg", "Eg2"])
    table(root / "sample_submission.csv", ["Image", "Eg2", "Eg1"], ["c.jpg", 0.5, 0.5])
    mark = {"annotations": [{"class": "point", "x": 10, "y": 10}], "class": "image", "filename": "a.jpg"}
    dump(root / "points1.json", [mark])


def crops(root):
    photos(root, "train/a.jpg", "train/b.jpg", "test/c.jpg")
    table(root / "train.csv", ["Image", "whaleID"], ["a.jpg", "Eg1"], ["b.jpg", "Eg2"])


def plain_table(root):
    photos(root, "a.jpg", "b.jpg", "c.jpg")
    rows = [["a.jpg", "Eg1", 10, 10, 90, 90], ["b.jpg", "Eg2", "", "", "", ""]]
    table(root / "w.csv", COLUMNS, *rows)


def folders(root):
    photos(root, "Eg1/a.jpg", "Eg2/b.jpg", "c.jpg")


def coco(root):
    photos(root, "a.jpg", "b.jpg", "c.jpg")
    images = [
        {"id": i, "file_name": f"{name}.jpg", "width": SIZE[0], "height": SIZE[1]} for i, name in enumerate("abc")
    ]
    names = [{"attributes": {"whaleID": f"Eg{i + 1}"}, "bbox": [10, 20, 100, 80]} for i in range(2)]
    marks = [{"id": i, "image_id": i, "category_id": 1, **name} for i, name in enumerate(names)]
    dump(root / "annotations.json", {"images": images, "annotations": marks, "categories": [{"id": 1, "name": "head"}]})


def alone(root):
    photos(root, "a.jpg", "b.jpg", "c.jpg")


@pytest.mark.parametrize("make", [competition, crops, plain_table, folders, coco, alone])
@pytest.mark.parametrize("below", ["", "june/first/"])
def test_decisions_come_before_a_folder_of_any_format(tmp_path, make, below):
    make(tmp_path)
    before = read(tmp_path)
    first, _, last = ((entry.name if below else entry.name.rpartition("/")[2]) for entry in before.photos)
    rows = [Decision(first, "Zoe", "new", points=POINTS), Decision(last, "Eg2", "whale", "s-1")]
    decide(tmp_path / f"{below}june_decisions.csv", *rows)
    after = read(tmp_path)
    assert after.formats == before.formats
    assert [entry.name for entry in after.photos] == [entry.name for entry in before.photos]
    assert [entry.whale for entry in before.photos] == ([""] * 3 if make is alone else ["Eg1", "Eg2", ""])
    whales = [entry.whale for entry in before.photos]
    assert [entry.whale for entry in after.photos] == ["Zoe", whales[1], "Eg2"]
    assert after.photos[0].points.tobytes() == POINTS.tobytes()
    assert after.photos[1].points.tobytes() == before.photos[1].points.tobytes()
    assert after.photos[2].encounter == "s-1"
    assert {"Zoe", "Eg2"} <= {*after.whales}
    assert after.whales[: len(before.whales)] == before.whales or make is not competition
    file = f"{below}june_decisions.csv"
    assert after.notes[-1] == f"{file}: photos named: 2, new whales: 1, with points: 1"
    contradictions = [line for line in after.warnings if "june_decisions" in line]
    assert len(contradictions) == bool(whales[0])
    assert all(f"{file} line 2: " in line and "Zoe here and Eg1 in " in line for line in contradictions)
    assert not [line for line in after.warnings if line.startswith(("tables not read", "not read"))]


@pytest.mark.parametrize("seed", range(5))
def test_a_catalogue_has_the_names_and_points_that_were_written(tmp_path, seed):
    rng = np.random.default_rng(seed)
    names = [f"{day}/{i}.jpg" for day in ("may", "june") for i in range(6)]
    photos(tmp_path, *names)
    rows = [
        Decision(
            f"{name}{head}",
            f"Eg{rng.integers(4)}{head}",
            rng.choice(decisions.NAMING),
            points=np.float32(rng.uniform(0, 200, (2, 2))),
        )
        for name in names
        for head in ("", "#2")
    ]
    decide(tmp_path / "decisions.csv", *[rows[i] for i in rng.permutation(len(rows))])
    catalogue = read(tmp_path)
    expected = {row.image: (row.whale, row.points.tobytes()) for row in rows}
    assert {entry.name: (entry.whale, entry.points.tobytes()) for entry in catalogue.photos} == expected
    assert catalogue.read_bytes("may/0.jpg#2") == catalogue.read_bytes("may/0.jpg")


def test_an_unusable_photo_loses_its_name_and_a_skipped_one_keeps_it(tmp_path):
    plain_table(tmp_path)
    decide(tmp_path / "decisions.csv", Decision("a.jpg", decision="unusable"), Decision("b.jpg", decision="skip"))
    catalogue = read(tmp_path)
    assert named(catalogue) == [("a.jpg", ""), ("b.jpg", "Eg2"), ("c.jpg", "")]
    assert catalogue.notes[-1] == "decisions.csv: unusable: 1, skipped: 1"
    line = "decisions.csv line 2: a.jpg is unusable here and Eg1 in w.csv line 2: it is left without a name"
    assert line in catalogue.warnings


def test_points_alone_leave_the_name(tmp_path):
    plain_table(tmp_path)
    decide(tmp_path / "decisions.csv", Decision("a.jpg", points=POINTS))
    entry = read(tmp_path).photos[0]
    assert (entry.whale, entry.points.tobytes()) == ("Eg1", POINTS.tobytes())


def test_points_are_pixels_beside_a_table_of_percent(tmp_path):
    plain_table(tmp_path)
    decide(tmp_path / "decisions.csv", Decision("b.jpg", points=POINTS))
    catalogue = read(tmp_path, units="percent")
    np.testing.assert_allclose(catalogue.photos[0].points, [[32, 20], [288, 180]])
    assert catalogue.photos[1].points.tobytes() == POINTS.tobytes()


def test_the_later_of_two_reviews_counts(tmp_path):
    alone(tmp_path)
    first = Decision("a.jpg", "Eg1", "whale", points=POINTS, time="2026-06-02T08:00:00Z")
    later = Decision("a.jpg", "Eg2", "whale", time="2026-06-02T09:30:00+01:00")  # half an hour later
    same = Decision("b.jpg", "Eg1", "whale", time="2026-06-01")
    decide(tmp_path / "june" / "decisions.csv", first, same)
    decide(tmp_path / "july" / "decisions.csv", later, same._replace(time="", decision="new"))  # is read first
    catalogue = read(tmp_path)
    assert [entry.whale for entry in catalogue.photos] == ["Eg2", "Eg1", ""]
    assert catalogue.photos[0].points.tobytes() == POINTS.tobytes()
    [line] = [line for line in catalogue.warnings if "decisions.csv" in line]
    sides = ("Eg1 in june/decisions.csv line 2", "Eg2 in july/decisions.csv line 2")
    assert all(side in line for side in sides)
    assert line.index(sides[0]) < line.index(sides[1])
    assert catalogue.notes[-1].startswith("july/decisions.csv, june/decisions.csv: photos named: 2")


def test_a_path_is_looked_up_below_the_folder_of_its_file_first(tmp_path):
    photos(tmp_path, "a.jpg", "june/a.jpg", "june/x/b.jpg", "july/x/b.jpg", "july/c.jpg")
    rows = [Decision("a.jpg", "Eg1", "whale"), Decision("B.JPG", "Eg2", "whale")]
    decide(tmp_path / "june" / "decisions.csv", *rows, Decision("D:\\survey\\july\\c.jpg", "Eg3", "whale"))
    expected = {"june/a.jpg": "Eg1", "june/x/b.jpg": "Eg2", "july/c.jpg": "Eg3"}
    assert {file: whale for file, whale in named(read(tmp_path, format="photos")) if whale} == expected
    decide(tmp_path / "june" / "decisions.csv", Decision("july/x/b.jpg", "Eg1", "whale"))
    assert ("july/x/b.jpg", "Eg1") in named(read(tmp_path, format="photos"))
    decide(tmp_path / "decisions.csv", Decision("x/b.jpg", "Eg1", "whale"))
    with pytest.raises(InputError, match=r"^decisions.csv line 2: x/b.jpg is 2 photos, .*: write the folder as well"):
        read(tmp_path, format="photos")


@pytest.mark.parametrize(
    ("review", "image", "other"),
    [
        ("june/decisions.csv", "a.jpg", "2019/Calvin/a.jpg"),
        ("june/decisions.csv", "x/a.jpg", "july/x/a.jpg"),
        ("decisions.csv", "a/1.jpg", "b/1.jpg"),
    ],
)
def test_a_decision_about_a_photo_that_is_gone_is_of_no_other_photo(tmp_path, review, image, other):
    photos(tmp_path, other, "june/c.jpg")
    decide(tmp_path / review, Decision(image, "Eg1", "whale"))
    catalogue = read(tmp_path, format="photos")
    assert (dict(named(catalogue))[other], catalogue.unused) == ("", 1)


def test_a_new_whale_of_one_name_in_two_reviews_is_asked_about(tmp_path):
    photos(tmp_path, "june/a.jpg", "july/b.jpg")
    for folder, image in (("june", "a.jpg"), ("july", "b.jpg")):
        decide(tmp_path / folder / "decisions.csv", Decision(image, "new_1", "new"))
    line = "new_1 is new in july/decisions.csv, june/decisions.csv: if these are several whales, give one another name"
    assert line in read(tmp_path, format="photos").warnings


def test_the_path_below_imgs_is_that_of_the_photos_names(tmp_path):
    photos(tmp_path, "imgs/june/a.jpg", "imgs/july/a.jpg")
    decide(tmp_path / "imgs" / "june" / "decisions.csv", Decision("a.jpg", "Eg1", "whale"))
    assert named(read(tmp_path, format="photos")) == [("july/a.jpg", ""), ("june/a.jpg", "Eg1")]


def test_rows_of_photos_that_are_not_there_are_counted(tmp_path):
    alone(tmp_path)
    rows = [Decision("x.jpg", "Eg1", "whale"), Decision("a.jpg#3", "Eg1", "whale"), Decision("b.jpg", "Eg1", "whale")]
    decide(tmp_path / "decisions.csv", *rows)
    catalogue = read(tmp_path)
    assert (catalogue.unused, catalogue.notes[-1]) == (2, "decisions.csv: photos named: 1")
    assert f"2 annotations speak of photos that are not in {tmp_path}" in catalogue.warnings


def test_a_second_whale_has_its_name_and_points(tmp_path):
    photos(tmp_path, "a.jpg", "b.jpg")
    rows = [["a.jpg", "Eg1", 10, 10, 90, 90], ["a.jpg", "", 200, 100, 180, 140]]
    table(tmp_path / "w.csv", COLUMNS, *rows)
    decide(tmp_path / "decisions.csv", Decision("a.jpg#2", "Zoe", "new"), Decision("b.jpg#2", "Eg1", "whale"))
    catalogue = read(tmp_path)
    pairs = [("a.jpg", "Eg1"), ("a.jpg#2", "Zoe"), ("b.jpg", ""), ("b.jpg#2", "Eg1")]
    assert [(entry.name, entry.whale) for entry in catalogue.photos] == pairs
    assert catalogue.photos[1].points.tolist() == [[200, 100], [180, 140]]
    decide(tmp_path / "decisions.csv", Decision("a.jpg#2", "Eg1", "whale"))
    assert "photos on which one whale is named twice: a.jpg (Eg1)" in read(tmp_path).warnings


def test_encounters_that_nobody_decided_on_are_made_of_dates_as_before(tmp_path):
    photos(tmp_path, "a.jpg", "b.jpg")
    table(tmp_path / "w.csv", ["Image", "whaleID", "date"], *([f"{x}.jpg", "Eg1", "2021-04-02"] for x in "ab"))
    decide(tmp_path / "decisions.csv", Decision("a.jpg", "Eg2", "whale", "s-1"))
    assert [entry.encounter for entry in read(tmp_path).photos] == ["s-1", "2021-04-02 Eg1"]


def test_a_word_for_no_whale_is_no_name(tmp_path):
    alone(tmp_path)
    decide(tmp_path / "decisions.csv", Decision("a.jpg", "unknown", "whale"))
    with pytest.raises(InputError, match=r"decisions.csv line 2: 'unknown' is no whale's name"):
        read(tmp_path)


def test_a_damaged_file_is_named_by_its_path(tmp_path):
    alone(tmp_path)
    (tmp_path / "june").mkdir()
    (tmp_path / "june" / "decisions.csv").write_text("Image,decision\na.jpg,whale\n")
    with pytest.raises(InputError, match=r"^june/decisions.csv line 2: the decision is whale, and whaleID is empty"):
        read(tmp_path)


def test_points_that_are_equal_are_refused_with_the_row_of_the_decision(tmp_path):
    plain_table(tmp_path)
    decide(tmp_path / "decisions.csv", Decision("a.jpg", points=np.full((2, 2), 9, np.float32)))
    with pytest.raises(InputError, match=r"decisions.csv line 2: the two points of a.jpg are equal"):
        read(tmp_path)


def test_a_table_that_only_ends_like_it_is_a_table(tmp_path):
    photos(tmp_path, "a.jpg")
    table(tmp_path / "our_decisions.csv", ["Image", "whaleID"], ["a.jpg", "Eg1"])
    catalogue = read(tmp_path)
    assert (catalogue.formats, named(catalogue)) == (("table",), [("a.jpg", "Eg1")])


def test_under_another_name_the_file_is_a_table(tmp_path):
    photos(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    first = Decision("a.jpg", "Eg1", "whale", "s-1", POINTS, "Åsa", "2026-06-01T12:30:00Z", 1, 0.5)
    second = first._replace(image="a.jpg#2", whale="Zoe", decision="new", points=POINTS + 70)
    decide(tmp_path / "june.csv", second, first, Decision("b.jpg", decision="skip"), Decision("c.jpg", points=POINTS))
    catalogue = read(tmp_path)
    assert catalogue.formats == ("table",)
    pairs = [("a.jpg", "Eg1"), ("a.jpg#2", "Zoe"), ("b.jpg", ""), ("c.jpg", "")]
    assert [(entry.name, entry.whale) for entry in catalogue.photos] == pairs
    expected = [POINTS, POINTS + 70, UNKNOWN, POINTS]
    assert [entry.points.tobytes() for entry in catalogue.photos] == [points.tobytes() for points in expected]
    assert [entry.date for entry in catalogue.photos] == [""] * 4
    assert "june.csv: columns not used: decision, reviewer, time, rank, probability" in catalogue.notes
    renamed = [note for note in catalogue.notes if " is its column " in note]
    assert not renamed
