"""A bar in a file is lines, and says whose it is where several processes write."""

import pytest

from whale_jax.runtime import progress


@pytest.mark.parametrize(("stage", "title"), [("", "part0"), ("part0", "part0"), ("aligner", "aligner: part0")])
def test_every_state_is_a_line_of_its_own(stage, title, monkeypatch, capsys):
    monkeypatch.setattr(progress, "STAGE", stage)
    with progress.bar(8, title="part0", unit="photos", start=2) as bar:
        bar.update(6)
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{title}:  25%")
    assert last.startswith(f"{title}: 100%")
    assert "8/8" in last


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.26, "0.3 s"), (42.4, "42 s"), (99.4, "99 s"), (450, "7.5 min"), (8280, "2.3 h")]
)
def test_duration(seconds, text):
    assert progress.duration(seconds) == text
