"""All that the page sends is checked: what is wrong is named, and changes nothing."""

import json

import pytest

from tests.review.conftest import ACTIONS


@pytest.mark.parametrize(
    ("content", "status"),
    [("x" * 20000, 413), ("", 400), ("{", 400), ("[" * 15000, 400), ("[1]", 400), ("null", 400), ("\xff", 400)],
)
def test_a_body_that_is_no_small_object_is_refused(client, content, status):
    answer = client.post("/api/decide", content=content.encode("latin-1"), headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "change"),
    [("/api/decide", change) for change in ({"row": "0"}, {"row": True}, {"row": -1}, {"row": 0.0}, {"row": None})]
    + [
        ("/api/decide", change)
        for change in ({"kind": "eaten"}, {"kind": 3}, {"whale": ""}, {"whale": " "}, {"whale": 3})
    ]
    + [("/api/decide", {"kind": kind}) for kind in ("unusable", "skip")]  # with the name of a whale
    + [("/api/decide", change) for change in ({"whale": "a\nb"}, {"whale": "\ud800"}, {"whale": "a" * 501})]
    + [("/api/decide", change) for change in ({"based_on": None}, {"based_on": 1e3}, {"reviewer": ["Ann"]})]
    + [
        ("/api/points", {"points": points})
        for points in (None, [], [[1, 2]], [[1, 2], [3]], [[1, 2], [3, "4"]], "abcd")
    ]
    + [
        ("/api/points", {"points": points})
        for points in ([[1, 2], [3, 4], [5, 6]], [[1, 2, 3], [4]], [[1, 2], [3, True]])
    ],
)
def test_a_field_that_is_wrong_is_named_and_changes_nothing(client, session, path, change):
    content = json.dumps({**ACTIONS[path], **change})
    answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert not session.events


def test_points_that_are_no_numbers_are_refused(client, session):
    content = json.dumps({**ACTIONS["/api/points"], "points": [[float("nan"), 2], [float("inf"), 4]]})
    answer = client.post("/api/points", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert not session.events
