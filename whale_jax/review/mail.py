"""report.html, the page of review as one file to mail: it holds what its server would answer, and keeps nothing."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from whale_jax.report import html
from whale_jax.review.contents import LISTED, Contents
from whale_jax.review.pictures import Format
from whale_jax.runtime import progress, threads

FILE = "report.html"
ROOM = 14_000_000  # bytes of pictures on the page: as text they take a third more, and some mail servers refuse 20 MB
SMALL = Format("WEBP", quality=70, head=400, reference=240, photo=720)
FOLDER = Path(__file__).parent
PLAIN = "!*'()"  # what encodeURIComponent leaves as it is, beside what quote leaves
IMPORT = re.compile(r' from "\./(\w+)\.js"')

Picture = tuple[str, Callable[[], bytes]]  # its path on the server, and what makes it


def write(folder: Path, contents: Contents, *, room: int = ROOM) -> int:
    """Writes folder/report.html, and returns the number of photos on it: the first in the order of review.

    Args:
        folder: of the page.
        contents: what it shows.
        room: bytes of its pictures; the photo that passes it is the last.
    """
    state = contents.state()
    photos, answers = _shown(contents, state, room=room)
    whales = {candidate["whale"]: None for photo in photos for candidate in photo["candidates"][:LISTED]}
    for whale in whales:
        answers[f"/api/whale?name={quote(whale, safe=PLAIN)}"] = contents.whale_photos(whale)
    listed = [whale for whale in state["whales"] if whale in whales]
    answers["/api/state"] = {**state, "photos": photos, "whales": listed, "total": len(state["photos"]), "token": ""}
    script = json.dumps(answers, ensure_ascii=False).replace("<", r"\u003c")  # no name ends the element
    template = html.environment(FOLDER / "templates").get_template("review.html")
    html.write(folder / FILE, template, report=Markup(script), style=Markup(_style()), modules=Markup(_modules()))
    return len(photos)


def _shown(contents: Contents, state: Mapping[str, Any], *, room: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The photos on the page, and path -> data: address of their pictures."""
    photos, addresses, size, last = state["photos"], {}, 0, 0
    with progress.bar(len(photos), title=FILE, unit="photos") as bar:
        for number, path, content in threads.ahead(_content, _pictures(contents, state)):
            if number != last:
                if size > room:
                    return photos[: last + 1], addresses
                bar.update(number - last)
                last = number
            if content:
                size += len(content)
                kind = "webp" if content[8:12] == b"WEBP" else "jpeg"
                addresses[path] = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
        bar.update(len(photos) - last)
    return photos, addresses


def _pictures(contents: Contents, state: Mapping[str, Any]) -> Iterator[tuple[int, Picture]]:
    """The number of each photo and its pictures, without those of a photo before it."""
    paths = set()
    for number, photo in enumerate(state["photos"]):
        row, whales = photo["row"], [candidate["whale"] for candidate in photo["candidates"][:LISTED]]
        references = [each["reference"] for whale in whales for each in contents.whale_photos(whale)]
        pictures = [("head", row, contents.head), *(("reference", each, contents.reference) for each in references)]
        if not state["ready_crops"]:
            pictures.append(("photo", row, contents.photo))
        for kind, each, make in pictures:
            if (path := f"/{kind}/{each}.jpg") not in paths:
                paths.add(path)
                yield number, (path, lambda make=make, each=each: make(each))


def _content(item: tuple[int, Picture]) -> tuple[int, str, bytes]:
    """The number of a photo, the path of a picture, and its content; nothing where there is none."""
    number, (path, make) = item
    try:
        return number, path, make()
    except (IndexError, KeyError):
        return number, path, b""


def _style() -> str:
    """The look of the page."""
    files = html.FOLDER / "look.css", FOLDER / "static" / "review.css"
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def _modules() -> str:
    """The import map of the page's scripts: within a file, a module is asked for by its name, not by a path."""
    addresses = {}
    for file in sorted((FOLDER / "static").glob("*.js")):
        code = IMPORT.sub(r' from "\1"', file.read_text(encoding="utf-8"))
        addresses[file.stem] = "data:text/javascript;base64," + base64.b64encode(code.encode()).decode("ascii")
    return json.dumps({"imports": addresses})
