"""A bar in a file is lines, and says whose it is where several processes write."""

import pytest

from whale_jax import progress


@pytest.mark.parametrize(("stage", "title"), [("", "part0"), ("part0", "part0"), ("aligner", "aligner: part0")])
def test_every_state_is_a_line_of_its_own(stage, title, monkeypatch, capsys):
    monkeypatch.setattr(progress, "STAGE", stage)
    with progress.bar(8, what="part0", unit="photos", start=2) as bar:
        bar.update(6)
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{title}:  25%")
    assert last.startswith(f"{title}: 100%")
    assert "8/8" in last
