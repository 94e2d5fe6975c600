"""Links between the documents lead somewhere, and the README fits on a few screens."""

import re
from pathlib import Path

import pytest

from tests.docs import pages
from tests.docs.pages import PAGES, ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    counts: dict[str, int] = {}
    names = set()
    for heading in HEADING.findall(pages.prose(path)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        count = counts[slug] = counts.get(slug, -1) + 1
        names.add(f"{slug}-{count}" if count else slug)
    return names


def broken(path: Path) -> list[str]:
    """The relative links of a page that lead nowhere."""
    wrong = []
    for link in LINK.findall(pages.prose(path)):
        if re.match(r"\w+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=pages.name)
def test_relative_links_and_anchors_resolve(page):
    assert not broken(page)


def test_a_broken_link_or_anchor_is_noticed(tmp_path):
    (tmp_path / "other.md").write_text("# A title, with `code`\n## Twice\n## Twice\n")
    page = tmp_path / "page.md"
    page.write_text("[a](other.md#a-title-with-code) [b](other.md#twice-1) [c](gone.md) [d](other.md#gone) [e](#gone)")
    assert broken(page) == ["gone.md", "other.md#gone", "#gone"]


def test_reference_links_of_the_readme_are_defined():
    text = pages.prose(ROOT / "README.md")
    defined = set(re.findall(r"^\[([^\]]+)\]: \S+$", text, re.MULTILINE))
    used = set(re.findall(r"(?<!!)\[([^\]]+)\](?![(:])", text))
    assert used - defined == set()


def test_the_readme_has_at_most_180_lines():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 180


@pytest.mark.parametrize("page", PAGES, ids=pages.name)
def test_every_page_is_reached_from_the_readme(page):
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        reached.add(path)
        links = (link.partition("#")[0] for link in LINK.findall(pages.prose(path)))
        targets = {(path.parent / link).resolve() for link in links if link.endswith(".md") and ":" not in link}
        waiting += [target for target in targets if target.exists() and target not in reached]
    assert page in reached
