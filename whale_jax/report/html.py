"""The pages that people open in a browser: one look, no request to another machine, every name escaped."""

from pathlib import Path
from typing import Any

import jinja2

from whale_jax.runtime import storage

QUALITY = 80  # of the pictures' JPEG
FOLDER = Path(__file__).parent / "templates"


def environment(folder: Path) -> jinja2.Environment:
    """The templates in a folder: they escape every value, and a missing one is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


TEMPLATES = environment(FOLDER)


def write(path: Path, template: jinja2.Template, **values: Any) -> None:
    """Writes a whole page, piece by piece: a page may have many photos."""
    page = template.stream(**values)
    page.enable_buffering(100)
    with storage.replacing(path) as partial, partial.open("w", encoding="utf-8", errors="replace") as file:
        page.dump(file)
