"""Tables of results are written by docs/tables.py with what made them, and the README's headline agrees with them."""

import json
import re

import pytest

from docs import tables
from tests.docs import pages
from tests.docs.pages import ROOT

STATEMENT = re.compile(
    r"^Made by (?:the stages .* of )?`python -m .*` at commit [0-9a-f]{7}.* on \d+ \w+ 20\d\d on .+\.", re.M
)
PLACE = re.compile(r"<!-- (\w+)(?: \[.*?\])?: (.*?) -->\n(.*?)<!-- end of (\w+) -->", re.DOTALL)
RESULT = {
    "code": {"version": "4fad9f9c0ffee"},
    "ended": "2026-11-28T06:46:01+00:00",
    "device": "2 x cpu",
    "versions": {"python": "3.11.7", "jax": "0.10.2"},
}
TABLE = (
    "| box | IoU |\n| --- | --: |\n| a | 1 |\n\n| points | PCK |\n| --- | --: |\n| b | 2 |\n\n| stage | time |\n\nMade."
)


@pytest.fixture
def run(tmp_path):
    """The folder of a finished run."""
    for stage, changes in (("report", {}), ("photos", {"ended": "2026-11-27T06:46:01+00:00"})):
        (tmp_path / "run" / stage).mkdir(parents=True)
        (tmp_path / "run" / stage / "result.json").write_text(json.dumps(RESULT | changes))
    (tmp_path / "run" / "report" / "table.md").write_text(TABLE)
    return tmp_path / "run"


def test_tables_are_written_with_what_made_them(run, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Before.\n<!-- demo: python -m x -->\nold\n<!-- end of demo -->\nAfter.\n")
    assert tables.fill(page, "demo", run)
    first, second, _ = TABLE.split("\n\n")[:3]
    statement = "Made by `python -m x` at commit 4fad9f9 on 28 November 2026 on 2 x cpu (Python 3.11.7, JAX 0.10.2)."
    expected = f"<!-- demo: python -m x -->\n\n{first}\n\n{second}\n\n{statement}\n\n<!-- end of demo -->"
    assert page.read_text() == f"Before.\n{expected}\nAfter.\n"
    assert STATEMENT.search(page.read_text())
    assert tables.fill(page, "demo", run)
    assert page.read_text() == f"Before.\n{expected}\nAfter.\n"
    assert not tables.fill(page, "other", run)


def test_the_fold_that_is_held_out_is_told(run, tmp_path):
    """A table of another deal of folds looks alike."""
    (tmp_path / "split").mkdir()
    (tmp_path / "split" / "config.json").write_text(json.dumps({"program": "split", "seed": 2}))
    (run / "report" / "config.json").write_text(json.dumps({"inputs": {"split": str(tmp_path / "split")}}))
    (run / "report" / "result.json").write_text(json.dumps(RESULT | {"fold": 0}))
    line = tables.provenance(run, "python -m x")
    assert line.endswith("JAX 0.10.2), with fold 0 of the split of seed 2 held out.")
    assert STATEMENT.search(line)


def test_a_word_in_brackets_selects_tables(run, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- demo [points]: python -m x -->\n<!-- end of demo -->\n")
    tables.fill(page, "demo", run)
    assert "| points | PCK |" in page.read_text()
    assert "| box | IoU |" not in page.read_text()
    page.write_text("<!-- demo [pionts]: python -m x -->\nold\n<!-- end of demo -->\n")
    with pytest.raises(SystemExit, match="no table that begins with 'pionts'"):
        tables.fill(page, "demo", run)
    assert "old" in page.read_text()


def test_several_commits_and_changed_sources_are_told(run):
    changed = RESULT | {"code": {"version": "1111111aaaa-dirty"}, "device": "1 x cpu"}
    (run / "photos" / "result.json").write_text(json.dumps(changed))
    (run / "result.json").write_text(json.dumps(RESULT | {"device": "1 x cpu, 2 x cpu"}))
    line = tables.provenance(run, "python -m x")
    assert "at commit 1111111 with changes and 4fad9f9 on" in line
    assert "on 1 x cpu and 2 x cpu (" in line


def test_a_run_without_tables_is_named(tmp_path):
    with pytest.raises(SystemExit, match=r"has no table\.md"):
        list(tables.tables_of(tmp_path))


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "results").glob("[a-z]*.md")), ids=pages.name)
def test_every_table_of_results_states_what_made_it(page):
    text = page.read_text(encoding="utf-8")
    for name, command, content, end in PLACE.findall(text):
        assert name == end
        assert f"`{command}`" in content, name
        assert STATEMENT.search(content), name
    measured = [line for line in PLACE.sub("", text).splitlines() if re.match(r"\|.*\d\.\d", line)]
    assert not measured or STATEMENT.search(PLACE.sub("", text)), measured


def test_the_headline_agrees_with_the_tables():
    """Each figure of this project in the README's first table stands in the page that its row links."""
    rows = [line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if "**here**" in line]
    assert len(rows) >= 3
    for row in rows:
        page, loss, top1 = re.match(r"\| .*\]\((.*?\.md).*?\) \| ([\d.]+) \| ([\d.]+) % \|", row).groups()
        figures = PLACE.findall((ROOT / page).read_text(encoding="utf-8"))
        cells = [line for *_, content, _ in figures for line in content.splitlines()]
        agreeing = [
            line
            for line in cells
            if f"{top1}%" in line and any(abs(float(x) - float(loss)) < 0.0051 for x in re.findall(r"\d\.\d{3}", line))
        ]
        assert agreeing, row
