"""The documents of the repository, and what stands in them."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "launch").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def name(path: Path) -> str:
    """A page's path from the root."""
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, language: str) -> list[str]:
    """The contents of a page's fenced blocks in a language."""
    return [content for tag, content in FENCE.findall(path.read_text(encoding="utf-8")) if tag == language]


def prose(path: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def commands(path: Path) -> list[list[str]]:
    """The words of each shell command of a page: lines of `sh` blocks, and code within a line that has a --config."""
    lines = []
    for block in blocks(path, "sh"):
        lines += block.replace("\\\n", " ").splitlines()
    lines += [
        code for code in re.findall(r"`([^`]+)`", prose(path)) if "--config" in code or code.startswith("python ")
    ]
    split = [shlex.split(line.replace("\n", " "), comments=True) for line in lines if not line.lstrip().startswith("#")]
    return [words for words in split if words]


def coded(path: Path, pattern: re.Pattern) -> list[str]:
    """What matches a pattern in the code of a page, fenced or within a line."""
    text = path.read_text(encoding="utf-8")
    code = [content for _, content in FENCE.findall(text)] + re.findall(r"`([^`]+)`", prose(path))
    return sorted({match for content in code for match in pattern.findall(content)})
