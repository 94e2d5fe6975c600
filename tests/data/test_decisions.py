"""decisions.csv is read as it was written, bit for bit, and a damaged row is named."""

import numpy as np
import pytest

from whale_jax.data import decisions
from whale_jax.data.decisions import COLUMNS, Decision
from whale_jax.runtime.errors import InputError

NUMBERS = ["1.5", "2", "3", "4"]


def row(image="a.jpg", *, whale="", decision="", points=("",) * 4, time="", rank="", probability=""):
    return [image, whale, decision, "", *points, "", time, rank, probability]


def lines(path, *rows, separator=","):
    path.write_text("\n".join(separator.join(row) for row in (COLUMNS, *rows)), encoding="utf-8")
    return path


def draw(rng):
    """A decision with every cell drawn at random, its points among all float32 of a photo's size."""
    word = rng.choice(decisions.WORDS)
    moved = rng.random() < 0.5
    points = np.float32(rng.normal(size=(2, 2)) * 10.0 ** rng.integers(-3, 5)) if moved else np.full((2, 2), np.nan)
    return Decision(
        image=f"june/{rng.integers(1000)}.jpg" + rng.choice(["", "#2"]),
        whale=rng.choice(['Niño, "el 2"', "Eg 1001", "-1"]) if word in decisions.NAMING else "",
        decision=word,
        encounter=rng.choice(["", "2021-04-02 a"]),
        points=np.float32(points),
        reviewer=rng.choice(["", "Åsa; M."]),
        time=rng.choice(["", "2026-06-01T12:30:00Z", "2026-06-01 12:30:00.25+02:00"]),
        rank=rng.choice([None, 1, 17]),
        probability=rng.choice([None, rng.random()]),
    )


@pytest.mark.parametrize("seed", range(10))
def test_what_is_written_is_read_bit_for_bit(tmp_path, seed):
    rng = np.random.default_rng(seed)
    rows = [draw(rng) for _ in range(300)]
    decisions.write(tmp_path / "decisions.csv", rows)
    entries = decisions.read(tmp_path / "decisions.csv")
    assert [entry._replace(points=0, place="") for entry in entries] == [entry._replace(points=0) for entry in rows]
    assert [entry.points.tobytes() for entry in entries] == [entry.points.tobytes() for entry in rows]
    assert {entry.points.dtype for entry in entries} == {np.dtype(np.float32)}


def test_a_file_with_the_earlier_columns_is_read(tmp_path):
    (tmp_path / "decisions.csv").write_text(
        "Image,whaleID,decision,who,when\na.jpg,Eg1,whale,Ann,2026-06-01T12:30:00Z\n"
    )
    [entry] = decisions.read(tmp_path / "decisions.csv")
    assert (entry.reviewer, entry.time) == ("Ann", "2026-06-01T12:30:00Z")


def test_a_file_that_cannot_be_written_leaves_the_old(tmp_path):
    path = tmp_path / "decisions.csv"
    decisions.write(path, [Decision("a.jpg", "Eg1", "whale")])
    content = path.read_bytes()
    with pytest.raises(InputError, match=r"b.jpg: the decision is whale, and whaleID is empty: name the whale"):
        decisions.write(path, [Decision("a.jpg"), Decision("b.jpg", decision="whale")])
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["decisions.csv"]


def test_half_of_the_points_is_not_written(tmp_path):
    half = np.float32([[1, 2], [np.nan, np.nan]])
    decisions.write(tmp_path / "decisions.csv", [Decision("a.jpg", points=half)])
    [entry] = decisions.read(tmp_path / "decisions.csv")
    assert np.isnan(entry.points).all()


def test_what_a_spreadsheet_makes_of_the_file_is_read(tmp_path):
    path = lines(tmp_path / "decisions.csv", row(points=["1,5", "2", "3", "4"], probability="0,25"), separator=";")
    [entry] = decisions.read(path)
    assert (entry.points[0, 0], entry.probability) == (1.5, 0.25)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"decision": "wahle", "whale": "Eg1"}, r"unknown decision 'wahle' \(did you mean whale\?\)"),
        ({"decision": "whale"}, "the decision is whale, and whaleID is empty: name the whale"),
        ({"decision": "new"}, "the decision is new, and whaleID is empty: name the whale"),
        ({"whale": "Eg1"}, "whaleID is Eg1, and the decision '': write whale or new, or no name"),
        ({"whale": "Eg1", "decision": "skip"}, "whaleID is Eg1, and the decision 'skip'"),
        ({"whale": "1001.0", "decision": "whale"}, "1001.0 is no name, it looks like a number with decimals"),
        ({"points": ["1", "2", "", ""]}, "points half given: fill all of bonnet_x, bonnet_y, blowhead_x, blowhead_y"),
        ({"points": ["1", "2", "3", ""]}, "points half given"),
        ({"points": ["1", "2", "3", "x"]}, "'x' are not all numbers"),
        ({"points": ["1", "2", "3", "inf"]}, "'inf' are not all numbers"),
        ({"rank": "first"}, "rank: 'first' are not all numbers"),
        ({"probability": "high"}, "probability: 'high' are not all numbers"),
        ({"time": "June"}, "'June' in column time is no time: write it as 2026-06-01T12:30:00Z"),
        ({"image": ""}, "no name of a photo in column Image"),
    ],
)
def test_damage_is_named_with_file_and_row(tmp_path, cells, message):
    cells = {"decision": "skip"} | cells if "image" in cells else cells
    path = lines(tmp_path / "june_decisions.csv", row("b.jpg", decision="skip"), row(**cells))
    with pytest.raises(InputError, match=rf"june_decisions.csv line 3.*{message}"):
        decisions.read(path)


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "decisions.csv"
    path.write_text("Image,whaleID\na.jpg,Eg1\n")
    with pytest.raises(InputError, match=r"decisions.csv line 1: no column 'decision'"):
        decisions.read(path)
