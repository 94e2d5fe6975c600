"""A review goes on from its log, also from one of an earlier review of the same photos."""

import json

import pytest

from tests.review.test_session import decide, photo
from whale_jax.data import decisions
from whale_jax.review.session import LOG, Session

MOVE = {
    "image": "102.png",
    "kind": "move",
    "points": [[80.0, 40.0], [30.0, 40.0]],
    "whale": "",
    "time": "2026-06-01T12:30:00.000+00:00",
    "reviewer": "Ann",
    "shown": {"candidates": [], "p_none": None},
}


def write(folder, *events):
    """A log without a line break at its end, as an editor leaves it."""
    (folder / LOG).write_text("\n".join(map(json.dumps, events)))


def test_points_whose_matching_was_cut_off_are_matched_at_the_next_start(june, tmp_path):
    write(tmp_path, MOVE)
    review = Session(june[1], tmp_path, reviewer="Ann")
    assert photo(review, 2)["pending"] or photo(review, 2)["candidates"]
    assert photo(review, 2)["points"] == MOVE["points"]
    review.close()


@pytest.mark.parametrize("same", [True, False])
def test_a_head_that_was_matched_with_other_answers_is_matched_again(june, tmp_path, monkeypatch, same):
    answer = {"candidates": [{"whale": "w1", "probability": 0.9, "reference": 7}], "p_none": 0.1, "words": ""}
    answer |= {"called_new": False, "note": "", "identified": june[1].result["digest"] if same else "another"}
    write(tmp_path, MOVE, {"image": "102.png", "kind": "match", "move": 1, **answer})
    heads = []
    monkeypatch.setattr(Session, "_match", lambda session, name, history: heads.append(name))
    review = Session(june[1], tmp_path, reviewer="Ann")
    assert photo(review, 2)["pending"] is not same
    assert heads == ([] if same else ["102.png"])
    review.close()


def test_the_log_of_an_earlier_review_is_taken_over_but_for_photos_that_are_gone(june, tmp_path, caplog):
    decision = {**MOVE, "kind": "whale", "whale": "w1"}
    write(tmp_path, decision, {**decision, "image": "gone.png"})
    review = Session(june[1], tmp_path, reviewer="Ann")
    assert photo(review, 2)["decision"]["whale"] == "w1"
    assert [entry.image for entry in decisions.read(tmp_path / decisions.FILE)] == ["102.png"]
    assert "1 photos that are not asked about here are passed over: gone.png" in caplog.text
    decide(review, 3, whale="w0")
    review.close()
    assert len((tmp_path / LOG).read_text().splitlines()) == 3
