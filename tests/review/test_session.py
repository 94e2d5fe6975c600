"""What a person decides is on disk before anything else happens, can be taken back, and comes back as a table."""

import io
import json
import os
import shutil
import threading

import numpy as np
import pytest
from absl import logging
from PIL import Image

from tests.review import windows
from tests.review.test_mail import picture, written
from whale_jax.data import annotations, decisions
from whale_jax.review import mail
from whale_jax.review.contents import Contents
from whale_jax.review.pictures import Pictures
from whale_jax.review.server import Conflict
from whale_jax.review.session import LOG, Session
from whale_jax.runtime import errors


@pytest.fixture
def session(june, tmp_path):
    review = Session(june[1], tmp_path, reviewer="Ann")
    yield review
    review.close()


def photo(session, row):
    return next(entry for entry in session.state()["photos"] if entry["row"] == row)


def decide(session, row, kind="whale", whale="w1"):
    number = photo(session, row)["number"]
    return session.decide(row, kind=kind, whale=whale, reviewer="", based_on=number)


def moved(session, row, points):
    """Moves points and waits until the head has been matched again."""
    ended = threading.Event()
    keep = session._record

    def record(event):
        keep(event)
        if event["kind"] == "match":
            ended.set()

    session._record = record
    session.move(row, points=points, reviewer="", based_on=photo(session, row)["number"])
    assert ended.wait(120)
    return photo(session, row)


def test_the_page_shows_what_the_tables_say(session, june):
    state = session.state()
    assert len(state["photos"]) == 6
    assert state["whales"] == [f"w{i}" for i in range(5)]
    assert not state["ready_crops"]
    for entry in state["photos"]:
        assert entry["source"] == "table"
        assert len(entry["candidates"]) == 5
        assert entry["candidates"][0]["probability"] >= entry["candidates"][1]["probability"]
        nearest = entry["candidates"][0]["reference"]
        assert session.run.photos.whale[nearest] == entry["candidates"][0]["whale"]
    pair = [entry for entry in state["photos"] if entry["encounter"] == "s50"]
    assert len(pair) == 2
    assert pair[0]["encounter_candidates"]


def test_a_decision_is_on_disk_when_it_is_answered_and_stays_after_a_kill(session, june, tmp_path):
    change = decide(session, 2, whale="w1")
    assert [entry["row"] for entry in change["photos"]] == [2]
    [event] = map(json.loads, (tmp_path / LOG).read_text().splitlines())
    assert (event["image"], event["kind"], event["whale"], event["reviewer"]) == ("102.png", "whale", "w1", "Ann")
    assert event["shown"]["candidates"][0][0] == photo(session, 2)["candidates"][0]["whale"]
    with (tmp_path / LOG).open("a") as file:
        file.write('{"image":"103.png","kind":"wha')  # a process that was killed while it wrote
    again = Session(june[1], tmp_path, reviewer="Bob")
    assert photo(again, 2)["decision"]["whale"] == "w1"
    assert photo(again, 3)["decision"] is None
    decide(again, 3, whale="w2")
    again.close()
    assert len((tmp_path / LOG).read_text().splitlines()) == 2


def test_a_decision_that_a_full_disk_refuses_never_comes_back(session, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    decide(session, 0)
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", refuse)
        with pytest.raises(OSError, match="No space"):
            decide(session, 1)
    with monkeypatch.context() as disk:
        disk.setattr(decisions, "write", refuse)
        decide(session, 2)
    assert [photo(session, row)["decision"] is not None for row in range(3)] == [True, False, True]
    events = [json.loads(line)["image"] for line in (tmp_path / LOG).read_text().splitlines()]
    assert events == ["100.png", "102.png"]
    assert len(decisions.read(tmp_path / decisions.FILE)) == 1
    decide(session, 3)
    assert len(decisions.read(tmp_path / decisions.FILE)) == 3


def test_a_whale_of_the_run_can_be_confirmed_whatever_its_name(session, monkeypatch):
    monkeypatch.setattr(session, "run", session.run._replace(whales=("-12", *session.run.whales[1:])))
    assert decide(session, 0, whale="-12")["photos"][0]["decision"]["whale"] == "-12"
    with pytest.raises(errors.InputError, match="formula"):
        decide(session, 1, kind="new", whale="-13")


def test_a_window_that_does_not_know_the_last_decision_is_told(session):
    decide(session, 1, whale="w0")
    with pytest.raises(Conflict) as conflict:
        session.decide(1, kind="whale", whale="w3", reviewer="", based_on=0)
    assert conflict.value.photo["decision"]["whale"] == "w0"
    assert photo(session, 1)["decision"]["whale"] == "w0"


def undo(session, row):
    """Takes back the decision on a photo."""
    shown = photo(session, row)
    session.undo(row, event=shown["decision"]["number"], reviewer="", based_on=shown["number"])


def test_undo_takes_back_one_event_after_the_other(session):
    decide(session, 1, whale="w0")
    decide(session, 1, kind="unusable", whale="")
    first = photo(session, 1)["decision"]["number"] - 1
    with pytest.raises(Conflict):  # another decision stands on it
        session.undo(1, event=first, reviewer="", based_on=photo(session, 1)["number"])
    for expected in ("w0", None):
        undo(session, 1)
        decision = photo(session, 1)["decision"]
        assert (decision and decision["whale"]) == expected
    with pytest.raises(Conflict):
        session.undo(1, event=first, reviewer="", based_on=photo(session, 1)["number"])


def test_a_decision_is_taken_back_from_under_points_that_stay(session, june, tmp_path):
    decide(session, 1, whale="w0")
    xy = [[160.0, 85.0], [96.0, 84.5]]
    session.move(1, points=xy, reviewer="", based_on=photo(session, 1)["number"])
    undo(session, 1)
    again = Session(june[1], tmp_path, reviewer="Bob")
    for review in (session, again):
        assert photo(review, 1)["decision"] is None
        assert (photo(review, 1)["points"], photo(review, 1)["source"]) == (xy, "moved")
    again.close()


def test_new_whales_have_names_that_a_catalogue_reads_back(session, june):
    survey = june[1].folder.parent.name  # other surveys have new whales of their own
    assert session.suggest() == f"new_{survey}_1"
    decide(session, 0, kind="new", whale=f"new_{survey}_1")
    assert session.suggest() == f"new_{survey}_2"
    decide(session, 0, kind="new", whale="new_1")
    decide(session, 1, whale="new_1")  # confirmed as the one that was named
    assert session.state()["whales"][-1] == "new_1"
    assert photo(session, 1)["decision"]["kind"] == "new"
    assert [entry["name"] for entry in session.whale_photos("new_1")] == ["100.png", "101.png"]
    for name, reason in {
        "unknown": "no whale",
        "5E+10": "spreadsheets",
        "NEW_1": "nearly the name",
        "w1": "confirm it",
        "  ": "no whale",
    }.items():
        with pytest.raises(errors.InputError, match=reason):
            decide(session, 2, kind="new", whale=name)
    assert photo(session, 2)["decision"] is None


def test_points_that_are_moved_give_another_head_and_another_answer(session, june):
    before = photo(session, 3)
    first, head = session.head(3), np.array(before["points"])
    entry = moved(session, 3, (head + np.array([30, 0])).tolist())
    assert entry["source"] == "moved"
    assert not entry["pending"]
    assert session.head(3) != first
    assert [c["probability"] for c in entry["candidates"]] != [c["probability"] for c in before["candidates"]]
    back = moved(session, 3, before["points"])
    for after, first in zip(back["candidates"], before["candidates"], strict=True):
        assert (after["whale"], after["reference"]) == (first["whale"], first["reference"])
        assert after["probability"] == pytest.approx(first["probability"], abs=2e-3)
    for _ in range(2):
        last = session.history(3).standing[-1]["number"]
        session.undo(3, event=last, reviewer="", based_on=photo(session, 3)["number"])
    assert photo(session, 3)["candidates"] == before["candidates"]
    assert photo(session, 3)["source"] == "table"


def test_a_review_that_closes_waits_for_the_head_at_work_and_drops_the_rest(session, june, tmp_path, monkeypatch):
    at_work, end, heads = threading.Event(), threading.Event(), []

    def ask(row, points):
        heads.append(row)
        at_work.set()
        assert end.wait(60)
        return np.full(5, np.nan), np.zeros(5)

    monkeypatch.setattr(session.recogniser, "ask", ask)
    monkeypatch.setattr(logging, "info", lambda *message: end.set())  # what a person reads before the wait
    for row in (2, 3):
        session.move(row, points=[[80.0, 40.0], [30.0, 40.0]], reviewer="", based_on=0)
    assert at_work.wait(60)
    session.close()
    assert heads == [2]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("matching")]
    events = map(json.loads, (tmp_path / LOG).read_text().splitlines())
    assert [event["kind"] for event in events] == ["move", "move"]  # both are matched at the next start


def test_pictures_are_of_what_they_name_and_nothing_else_is_served(session):
    with Image.open(io.BytesIO(session.head(0))) as picture:
        assert picture.size == (640, 320)
    with Image.open(io.BytesIO(session.photo(0))) as picture:
        assert picture.size == (200, 120)
    assert session.reference(0) != session.reference(1)
    for ask, number in ((session.head, 6), (session.photo, 6), (session.reference, 46 + 6)):
        with pytest.raises((IndexError, KeyError)):
            ask(number)


def test_decisions_come_back_as_names_and_points_of_the_catalogue(session, june, tmp_path):
    for row, whale in enumerate(["w0", "w0", "w1"]):
        decide(session, row, whale=whale)
    decide(session, 3, kind="new", whale="Nova")
    decide(session, 4, kind="unusable", whale="")
    points = [[100.25, 50.5], [60.75, 52.0]]
    session.move(5, points=points, reviewer="", based_on=0)
    rows = {entry.image: entry for entry in decisions.read(tmp_path / decisions.FILE)}
    assert rows["103.png"].whale == "Nova"
    folder = tmp_path / "photos"
    shutil.copytree(june[0], folder)
    shutil.copy(tmp_path / decisions.FILE, folder)
    catalogue = {entry.name: entry for entry in annotations.read(folder).photos}
    names = [catalogue[f"{100 + i}.png"].whale for i in range(6)]
    assert names == ["w0", "w0", "w1", "Nova", "", ""]
    np.testing.assert_array_equal(catalogue["105.png"].points, np.float32(points))
    table = {entry.name: entry.points for entry in annotations.read(june[0]).photos}
    np.testing.assert_array_equal(catalogue["100.png"].points, table["100.png"])


def test_heads_are_those_of_the_photos_that_they_name(june, tmp_path):
    """The file of an `identify` on drawn heads, and the review of the same, show alike heads."""
    session = Session(june[1], tmp_path, reviewer="Ann")
    source, run = session.recogniser.source, session.run
    pictures = Pictures(source.photos, run, folders=june[1].config["inputs"], stored=mail.SMALL)
    contents = Contents(june[1].folder, source, run=run, error=0.05, pictures=pictures)
    _, answers, _ = written(tmp_path, contents)
    state = session.state()
    session.close()
    assert answers["/api/state"]["photos"] == state["photos"]
    for photo in state["photos"]:
        small = windows.pixels(picture(answers[f"/head/{photo['row']}.jpg"]))
        large = windows.pixels(session.head(photo["row"]), small.shape)
        assert small.shape[1] == mail.SMALL.head
        assert np.abs(small - large).mean() < 4
        assert windows.pixels(picture(answers[f"/photo/{photo['row']}.jpg"])).ndim == 3
        best = photo["candidates"][0]
        references = answers[f"/api/whale?name={best['whale']}"]
        assert best["reference"] in {entry["reference"] for entry in references}
        assert {run.photos.whale[entry["reference"]] for entry in references} == {best["whale"]}
    assert (june[1].folder / mail.FILE).stat().st_size > 10_000
