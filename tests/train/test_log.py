"""What a log holds survives damage, a kill and a resume."""

import os

import pytest

from whale_jax.train import log


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
