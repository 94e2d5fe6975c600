"""Puts the tables of finished runs into README.md, in place of those there.

    python docs/tables.py demo=runs/demo real=runs/small ensemble=runs/ensemble

A table is what the run's last stage, `report` or `compare`, left. README.md has a pair of comments for each:
<!-- demo --> and <!-- end of demo -->.
"""

import re
import sys
from pathlib import Path

LEFT_OUT = "| stage "  # the table of seconds a stage: too long for a first page


def main() -> None:
    """Rewrites README.md."""
    readme = Path(__file__).parents[1] / "README.md"
    text = readme.read_text(encoding="utf-8")
    for argument in sys.argv[1:]:
        name, _, run = argument.partition("=")
        [table] = [path for stage in ("report", "compare", ".") for path in Path(run).glob(f"{stage}/table.md")]
        blocks = table.read_text(encoding="utf-8").strip().split("\n\n")
        tables = "\n\n".join(block for block in blocks if block.startswith("|") and not block.startswith(LEFT_OUT))
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        text, found = place.subn(lambda match, tables=tables: f"{match[1]}\n{tables}\n\n{match[2]}", text)
        if found != 1:
            sys.exit(f"README.md has no pair of comments <!-- {name} --> and <!-- end of {name} -->")
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
