"""The events of a log, as they were written by this version and by older ones, are what stands of each photo."""

import json

import pytest

from whale_jax.review.history import replay
from whale_jax.review.log import Log
from whale_jax.runtime import errors

EVENTS = [
    {"image": "a", "kind": "whale", "whale": "w0"},
    {"image": "a", "kind": "move", "points": [[1, 2], [3, 4]]},
    {"image": "b", "kind": "skip", "whale": ""},
    {"image": "a", "kind": "undo", "event": 1},
]


def read(path, lines):
    """The histories of a log with these lines."""
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    log = Log(path)
    log.close()
    return replay(log.events)


def test_an_undo_is_of_the_event_that_it_names(tmp_path):
    history = read(tmp_path / "log", EVENTS)["a"]
    assert history.decision is None
    assert history.move["points"] == [[1, 2], [3, 4]]
    assert history.number == 4


def test_an_undo_of_an_older_version_is_of_the_last_event(tmp_path):
    history = read(tmp_path / "log", [*EVENTS[:3], {"image": "a", "kind": "undo"}])["a"]
    assert history.move is None
    assert history.decision["whale"] == "w0"
    alone = read(tmp_path / "log", [{"image": "a", "kind": "undo"}])["a"]  # what it took back was removed
    assert alone.standing == ()


def test_a_line_that_a_person_has_emptied_changes_no_other(tmp_path):
    histories = read(tmp_path / "log", [EVENTS[0], EVENTS[1], "", EVENTS[3]])
    assert [*histories] == ["a"]
    assert histories["a"].decision is None
    with pytest.raises(errors.InputError, match=r"line 3: not an event .*: empty the line"):
        read(tmp_path / "log", [EVENTS[0], EVENTS[1], "{", EVENTS[3]])
