"""Label Studio's export, JSON or JSON-MIN (1.x): points and boxes in percent of the photo, with its size in pixels.

Points are KeyPointLabels called bonnet and blowhead, the box is RectangleLabels of any label. The whale is a field of
the task's data, or a text or a choice of the annotation, under one of the usual names (tabular.SURE).
"""

import re
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from whale_jax.data import cells
from whale_jax.data.folder import Folder, parsed
from whale_jax.data.formats import tabular
from whale_jax.data.photo_files import SUFFIXES
from whale_jax.data.rows import Format, Reading, Row, Settings, Source, heads_of_whales, point_kind

PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")  # of an uploaded file's name
LABELS = ("keypointlabels", "rectanglelabels")


def evidence(folder: Folder) -> str:
    """What it is recognised by: JSON with a list of tasks, which have data and annotations, or keypointlabels."""
    return cells.examples(f"tasks of {path.name}" for path in _files(folder))


def read(folder: Folder, settings: Settings, *, problems: list[str]) -> Reading:
    """A row for each head of each task."""
    notes: list[str] = []
    rows = [row for path in _files(folder) for row in _rows(path, problems, notes=notes)]
    return Reading((Source(rows),), notes=tuple(notes))


def _rows(path: Path, problems: list[str], *, notes: list[str]) -> Iterator[Row]:
    several = []
    for number, task in enumerate(parsed(path), start=1):
        place = f"{path.name} task {number}"
        data = task.get("data", task) if isinstance(task, dict) else {}
        if not (name := _photo(data)):
            problems.append(f"{place}: its data name no picture")
            continue
        versions = [entry for entry in task.get("annotations") or () if not entry.get("was_cancelled")]
        several += [name] if len(versions) > 1 else []
        results = versions[-1].get("result") or () if versions else _minimal(task)
        fields = tabular.texts({name: _word(value) for name, value in data.items()})
        marks, texts, size, whales = [], dict(fields), None, {}
        for result in results:
            value = result.get("value") or {}
            size = (result.get("original_width"), result.get("original_height")) if "x" in value else size
            marks += [(*mark, result.get("id")) for mark in _mark(result, value, place=place, problems=problems)]
            word = next(filter(None, (_word(value.get(key)) for key in ("text", "choices", "taxonomy"))), "")
            words = tabular.texts({result.get("from_name"): word})
            if "whale" in words:
                whales[result.get("id")] = words["whale"]  # a region and its text share an id
            texts |= words
        regions = {region for *_, region in marks}
        of_photo = [whale for region, whale in whales.items() if region not in regions]
        usual = [*of_photo, fields.get("whale", "")][0]
        marks = [(kind, numbers, whales.get(region, usual)) for kind, numbers, region in marks]
        extra = {"size": tuple(map(float, size))} if marks and size and all(size) else {}
        for facts in heads_of_whales(marks, place, texts=texts, problems=problems):
            yield Row(name, {**extra, **facts}, place)
    if several:
        notes.append(f"{path.name}: the last of several annotations counts, of {cells.examples(several)}")


def _mark(result: Mapping, value: Mapping, *, place: str, problems: list[str]) -> list[tuple[str, tuple[float, ...]]]:
    """Kind and pixels of a point or a box; none of another region."""
    labels = [label for key in LABELS for label in value.get(key) or ()]
    kind = "box" if "rectanglelabels" in value else point_kind(*labels) if "keypointlabels" in value else ""
    if not kind:
        return []
    keys = ("x", "y", "width", "height") if kind == "box" else ("x", "y")
    width, height = result.get("original_width"), result.get("original_height")
    percents = [value.get(key) for key in keys]
    numbers = cells.numbers([*percents, width, height], f"{place}, x, y and size of the photo", problems=problems)
    return [(kind, tuple(number * side / 100 for number, side in zip(numbers[:-2], numbers[-2:] * 2, strict=False)))]


def _minimal(task: Mapping) -> list[dict[str, Any]]:
    """The regions of a task in JSON-MIN, where their values stand by the names of the tags, as JSON has them."""
    regions = [region for value in task.values() if isinstance(value, list) for region in value]
    return [{**region, "value": region} for region in regions if isinstance(region, dict) and "x" in region]


def _word(value: Any) -> Any:
    """What a person typed or chose: the first of several, and of a taxonomy its last level."""
    value = value[0] if isinstance(value, list) and value else value
    return value[-1] if isinstance(value, list) and value else value


def _photo(data: Mapping) -> str:
    """The path of a task's picture, without the eight digits that an upload puts before its name."""
    paths = [value for value in data.values() if isinstance(value, str) and value.lower().endswith(SUFFIXES)]
    if not paths:
        return ""
    path = paths[0].rpartition("?d=")[2]  # of a file on the server's disk
    path = urllib.parse.unquote(path) if paths[0].startswith(("/", "http")) else path
    folder, slash, name = path.replace("\\", "/").rpartition("/")
    return folder + slash + (PREFIX.sub("", name) if "upload" in folder.split("/") else name)


def _files(folder: Folder) -> list[Path]:
    return [path for path in folder.documents if _are_tasks(parsed(path))]


def _are_tasks(content: Any) -> bool:
    first = content[0] if isinstance(content, list) and content and isinstance(content[0], dict) else {}
    return {"data", "annotations"} <= {*first} or any(
        isinstance(value, list) and value and isinstance(value[0], dict) and "original_width" in value[0]
        for value in first.values()
    )


FORMAT = Format(evidence, read, pixels=True)
