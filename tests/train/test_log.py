"""What a log holds survives damage, a kill and a resume."""

import os

import pytest
from tensorboardX.proto.event_pb2 import Event

from whale_jax.train import log


def event_file(path):
    """The events in a file of TensorBoard: lengths, their checksums, messages and theirs."""
    content, events = path.read_bytes(), []
    while content:
        end = 12 + int.from_bytes(content[:8], "little")
        events.append(Event.FromString(content[12:end]))
        content = content[end + 4 :]
    return events


def written(workdir, steps):
    logger = log.Log(workdir)
    for step in range(1, steps + 1):
        logger.write(step, {"loss": 1 / step})
    logger.close()
    return workdir / "metrics.jsonl"


@pytest.mark.parametrize(("line", "content"), [(0, b'?"step": 1}\n'), (2, b'{"step": \xff3}\n'), (1, b"[1]\n")])
def test_a_damaged_line_costs_itself_alone_and_is_kept_aside(tmp_path, monkeypatch, line, content):
    warnings = []
    monkeypatch.setattr(log.logging, "warning", lambda text, *values: warnings.append(text % values))
    path = written(tmp_path, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:line], content, *lines[line + 1 :]]))
    log.Log(tmp_path, 5).close()
    assert [row["step"] for row in log.read(tmp_path)] == [step for step in range(1, 6) if step != line + 1]
    assert (tmp_path / "metrics.jsonl.damaged").read_bytes() == content
    assert "1 damaged lines" in warnings[0]


def test_what_was_logged_after_the_step_and_what_was_cut_off_is_dropped(tmp_path):
    path = written(tmp_path, 5)
    path.write_bytes(path.read_bytes()[:-3])
    log.Log(tmp_path, 3).close()
    assert [row["step"] for row in log.read(tmp_path)] == [1, 2, 3]
    assert not (tmp_path / "metrics.jsonl.damaged").exists()


def test_tensorboard_shows_each_step_of_a_resumed_run_once(tmp_path):
    written(tmp_path, 5)
    [first] = (tmp_path / "tensorboard").iterdir()
    first.rename(first.with_name("events.out.tfevents.0"))  # names are of whole seconds
    again = log.Log(tmp_path, 3)
    again.write(4, {"loss": 0.5})
    again.close()
    events = [event for path in sorted((tmp_path / "tensorboard").iterdir()) for event in event_file(path)]
    purged = [event.step for event in events if event.WhichOneof("what") == "session_log"]
    assert purged == [1, 4]  # from here on, events before are hidden
    assert [event.step for event in events if event.WhichOneof("what") == "summary"] == [1, 2, 3, 4, 5, 4]


def test_a_kill_at_any_moment_of_a_resume_leaves_a_whole_log(tmp_path, monkeypatch):
    """A log that is not changed is not written at all; one that is bears its name only when it is whole."""
    path = written(tmp_path, 5)
    before, inode = path.read_bytes(), path.stat().st_ino
    log.Log(tmp_path, 5).close()
    assert (path.read_bytes(), path.stat().st_ino) == (before, inode)

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        log.Log(tmp_path, 3)
    assert path.read_bytes() == before
