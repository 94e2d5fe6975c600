"""Writes the tables of finished runs into docs/results/*.md and README.md, in place of those that stand there.

    python -m docs.tables demo=runs/demo composed=runs/small ensemble=runs/ensemble

The tables of a run are those that its stages `report`, `fused`, `compare` and `novelty` wrote. A pair of comments marks
their place and names the command that makes the run. Words in brackets select tables by the beginning of their first
heading:

    <!-- demo [probabilities]: python -m whale_jax.main --config=configs/demo.py --workdir=runs/demo -->
    <!-- end of demo -->

Under the tables stands the command, and the commit, date, devices and versions that the run's result.json files state.
"""

import itertools
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OMITTED = "| stage "  # the table of seconds per stage: too long for a page


def main() -> None:
    """Rewrites every document that has a place for one of the runs."""
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for argument in sys.argv[1:]:
        name, _, run = argument.partition("=")
        written = [path for path in documents if fill(path, name, Path(run))]
        if not written:
            sys.exit(f"no document has a pair of comments <!-- {name}: COMMAND --> and <!-- end of {name} -->")


def fill(path: Path, name: str, run: Path) -> bool:
    """Writes the tables of a run into each place of that name in a document; whether there was one."""
    place = re.compile(rf"(<!-- {name}(?: \[(.*?)\])?: (.*?) -->\n).*?(<!-- end of {name} -->)", re.DOTALL)

    def replacement(match: re.Match) -> str:
        heading, command = match[2] or "", match[3]
        tables = [table for table in tables_of(run) if table.startswith(f"| {heading}")]
        if not tables:
            sys.exit(f"{path}: {run} has no table that begins with {heading!r}, as the place {name} wants")
        return "\n\n".join([match[1].rstrip(), *tables, provenance(run, command), match[4]])

    text, count = place.subn(replacement, path.read_text(encoding="utf-8"))
    if count:
        path.write_text(text, encoding="utf-8")
    return count > 0


def tables_of(run: Path) -> Iterator[str]:
    """The tables in Markdown that a run's last stages wrote, without that of the seconds per stage."""
    paths = [
        run / stage / "table.md"
        for stage in ("report", "fused", "compare_trainings", "compare", "novelty", ".")
        if (run / stage / "table.md").exists()
    ]
    if not paths:
        sys.exit(f"{run} has no table.md, nor has its report, fused, compare or novelty: name a finished run")
    for path in paths:
        for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
            if block.startswith("|") and not block.startswith(OMITTED):
                yield block


def provenance(run: Path, command: str) -> str:
    """One line that says what made the run's tables: command, commits, date, devices, versions, folds."""
    paths = sorted(run.glob("**/result.json"))
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    commits = each(map(commit, results))
    dates = sorted(filter(None, (result.get("ended") for result in results)))
    date = spelled(datetime.fromisoformat(dates[-1])) if dates else "an unknown date"
    names = (result.get("device", "").split(", ") for result in results)  # a pipeline's has those of its stages
    devices = each(itertools.chain.from_iterable(names)) or "unknown devices"
    python = each(result.get("versions", {}).get("python", "") for result in results)
    jax = each(result.get("versions", {}).get("jax", "") for result in results)
    folds = each(map(held_out, paths, results))
    origin = f"Made by `{command}` at commit {commits or 'unknown'} on {date} on {devices} (Python {python}, JAX {jax})"
    return f"{origin}, with {folds} held out." if folds else f"{origin}."


def held_out(path: Path, result: Mapping[str, Any]) -> str:
    """The fold that the stage with a result, in a result.json, holds out, and its split's seed; "" for none."""
    config = path.with_name("config.json")
    inputs = json.loads(config.read_text(encoding="utf-8")).get("inputs", {}) if config.exists() else {}
    split = Path(inputs.get("split") or ".") / "config.json"
    fold = result.get("fold")
    if fold is None or fold < 0 or not split.exists():
        return ""
    return f"fold {fold} of the split of seed {json.loads(split.read_text(encoding='utf-8'))['seed']}"


def each(values: Iterable[str]) -> str:
    """The distinct values, without empty ones, as a list in words."""
    return " and ".join(sorted(set(values) - {""}))


def spelled(date: datetime) -> str:
    """A date such as 28 November 2026."""
    return f"{date.day} {date:%B %Y}"


def commit(result: dict[str, Any]) -> str:
    """The short commit of a result, with a word where the sources differed from it; "" where none is stated."""
    version = result.get("code", {}).get("version", "")
    return version[:7] + (" with changes" if version.endswith("-dirty") else "")


if __name__ == "__main__":
    main()
