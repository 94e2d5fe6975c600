"""The tables of `identify` are read as answers, and those come first that a person should look at first."""

import numpy as np
import pytest

from tests.data.folders import write_csv
from whale_jax.data import validation
from whale_jax.evaluation.reliability import Reliability
from whale_jax.report import answers
from whale_jax.runtime import errors

VERDICT = ["whaleID", "probability", "nearest", "p_none", "is_none", "note"]
PHOTOS = {  # name: encounter, p_none, is_none, probabilities of whales "a", "b" ...
    "sure.jpg": ("", 0.01, 0, (0.95, 0.02)),
    "blank.jpg": ("pair", 0, 0, ()),
    "doubt.jpg": ("", 0.3, 0, (0.4, 0.2)),
    "new.jpg": ("pair", 0.9, 1, (0.06, 0.03)),
    "also.jpg": ("pair", 0.5, 0, (0.4, 0.1)),
    "alone.jpg": ("single", 0.02, 0, (0.9, 0.01)),
    "empty.jpg": ("single", 0, 0, ()),
}
PAIR = "new.jpg also.jpg blank.jpg"  # in the order of review
POOLED = {"pair": ("blank.jpg", 0.1, 0, (0.7, 0.2)), "single": ("alone.jpg", 0.02, 0, (0.9, 0.01))}


def lines(keys, none, new, probabilities):
    for rank, p in enumerate(probabilities):
        yield [*keys, rank + 1, "ab"[rank], p, f"w{rank}.jpg" if rank < 1 else "", none, new, ""]
    if not probabilities:
        yield [*keys, *[""] * 6, "no head was found"]


def tables(folder, *, pooled=POOLED):
    """A folder of the tables of PHOTOS."""
    rows = [line for name, (encounter, *answer) in PHOTOS.items() for line in lines((name, encounter), *answer)]
    write_csv(folder / "candidates.csv", [["Image", "encounter", "rank", *VERDICT], *rows])
    if pooled:
        rows = [line for name, (first, *answer) in pooled.items() for line in lines((name, first), *answer)]
        rows += lines(("", "sure.jpg"), *PHOTOS["sure.jpg"][1:])
        write_csv(folder / "encounters.csv", [["encounter", "Image", "rank", *VERDICT], *rows])
    return folder


def test_candidates_are_in_order_and_none_of_these_beside_them(tmp_path):
    photos = answers.read(tables(tmp_path)).photos
    assert [*photos] == [*PHOTOS]
    assert [candidate.whale for candidate in photos["doubt.jpg"].whales] == ["a", "b"]
    assert [candidate.probability for candidate in photos["new.jpg"].whales] == [0.06, 0.03]
    assert photos["new.jpg"].p_none == 0.9
    assert [candidate.nearest for candidate in photos["sure.jpg"].whales] == ["w0.jpg", ""]
    assert [name for name, answer in photos.items() if answer.called_new] == ["new.jpg"]
    blank = photos["blank.jpg"]
    assert (blank.note, blank.p_none, blank.whales) == ("no head was found", None, ())


def test_only_encounters_of_several_answered_photos_have_an_answer_of_all(tmp_path):
    together = answers.read(tables(tmp_path)).encounters
    assert [*together] == ["pair"]
    assert [candidate.probability for candidate in together["pair"].whales] == [0.7, 0.2]
    assert together["pair"].p_none == 0.1
    assert together["pair"].name == "blank.jpg"


def test_an_encounter_of_two_whales_has_no_answer_of_all(tmp_path):
    folder = tables(tmp_path)
    path = folder / "encounters.csv"
    rows = path.read_text(encoding="utf-8")
    path.write_text(rows + "\n".join(line.replace("blank", "also") for line in rows.splitlines() if "pair" in line))
    assert not answers.read(folder).encounters


@pytest.mark.parametrize(
    ("pooled", "expected"),
    [
        (POOLED, ["doubt.jpg", PAIR, "alone.jpg empty.jpg", "sure.jpg"]),
        (None, [PAIR, "doubt.jpg", "alone.jpg empty.jpg", "sure.jpg"]),
        ({"pair": ("blank.jpg", 0, 0, ())}, ["doubt.jpg", "alone.jpg empty.jpg", "sure.jpg", PAIR]),
    ],
)
def test_sections_stand_where_the_answer_of_all_their_photos_puts_them(pooled, expected, tmp_path):
    sections = answers.arrange(answers.read(tables(tmp_path, pooled=pooled)))
    assert [" ".join(answer.name for answer in section) for section in sections] == expected


def test_trust_is_that_of_the_answer_if_the_whale_is_one_of_the_runs(tmp_path):
    probability = np.linspace(0, 1, 1001)
    case = Reliability(probability, np.where(probability < 0.6005, 2, 1))
    validation.write(tables(tmp_path) / validation.FILE, map(str, range(1001)), reliability=case)
    photos = answers.read(tmp_path).photos
    # new.jpg has 0.06 of the 0.1 that the whale is known: as sure as 0.6, where half of the neighbours are right
    assert {name: answer.words for name, answer in photos.items()} == {
        "sure.jpg": "On 100 photos of known whales the run was about as sure, and right on 100 of them.",
        "blank.jpg": "",
        "doubt.jpg": "On 100 photos of known whales the run was about as sure, and right on 21 of them.",  # 0.4 of 0.7
        "new.jpg": "On 100 photos of known whales the run was about as sure, and right on 50 of them.",
        "also.jpg": "On 100 photos of known whales the run was about as sure, and right on 100 of them.",  # 0.4 of 0.5
        "alone.jpg": "On 100 photos of known whales the run was about as sure, and right on 100 of them.",
        "empty.jpg": "",
    }


def test_without_the_other_tables_answers_have_no_words(tmp_path):
    result = answers.read(tables(tmp_path, pooled=None))
    assert (result.reliability, result.encounters) == (None, {})
    assert {answer.words for answer in result.photos.values()} == {""}
    assert result.points == {}


def test_points_say_where_they_come_from_or_what_is_wrong(tmp_path):
    header, marks = ["Image", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y", "source"], [1, 2, 3, 4]
    rows = [["sure.jpg", *marks, "table"], ["doubt.jpg", *marks, "predicted"], ["new.jpg", *marks, "moved"]]
    rows += [["blank.jpg", *[""] * 5]]
    write_csv(tables(tmp_path) / "points.csv", [header, *rows])
    sources = {name: points.source for name, points in answers.read(tmp_path).points.items()}
    assert sources == {"sure.jpg": "table", "doubt.jpg": "predicted", "new.jpg": "moved"}
    write_csv(tmp_path / "points.csv", [header, rows[0], ["doubt.jpg", *marks, "guessed"]])
    with pytest.raises(
        errors.InputError, match=r"points.csv, row 3: source 'guessed': write table, predicted, moved or nothing"
    ):
        answers.read(tmp_path)


def test_a_probability_that_is_no_number_names_its_table(tmp_path):
    path = tables(tmp_path) / "candidates.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("0.95", "much"), encoding="utf-8")
    with pytest.raises(errors.InputError, match=r"candidates.csv cannot be read .*'much'"):
        answers.read(tmp_path)
