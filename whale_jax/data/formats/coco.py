"""COCO's JSON, as CVAT, Wild Me and many others write it: images, categories and annotations.

The points are told by the names of a category's keypoints; v = 0 means that one is not marked. The whale is a text that
an annotation has under one of the usual names (tabular.SURE), itself or in its attributes, where CVAT puts what a
person typed; or that of the individual it points to.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from whale_jax.data import cells
from whale_jax.data.folder import Folder, parsed
from whale_jax.data.formats import tabular
from whale_jax.data.rows import Fact, Format, Reading, Row, Settings, Source, point_kind

WHALE = ("name", "individualuuid")  # further usual names of a whale


def evidence(folder: Folder) -> str:
    """What it is recognised by: JSON with images and annotations."""
    return cells.examples(f"images and annotations of {path.name}" for path in _files(folder))


def read(folder: Folder, settings: Settings, *, problems: list[str]) -> Reading:
    """A row for each annotation, and for each image without one; a file each."""
    return Reading(tuple(Source(rows(path, problems)) for path in _files(folder)))


def rows(path: Path, problems: list[str]) -> list[Row]:
    """The rows of one file."""
    content = parsed(path)
    kinds = {
        category.get("id"): [point_kind(name) for name in category.get("keypoints") or ()]
        for category in content.get("categories") or ()
    }
    individuals = {
        entry[key]: entry for entry in content.get("individuals") or () for key in ("id", "uuid") if key in entry
    }
    images = {image.get(key): image for key in ("uuid", "id") for image in content["images"] if key in image}
    result, annotated = [], set()
    for number, mark in enumerate(content["annotations"], start=1):
        place = f"{path.name} annotation {number}"
        image = images.get(mark.get("image_id", mark.get("image_uuid"))) if isinstance(mark, dict) else None
        if image is None:
            problems.append(f"{place}: no image has its image_id")
            continue
        annotated.add(_name(image))
        facts = _facts(mark, kinds.get(mark.get("category_id"), []), place=place, problems=problems)
        individual = individuals.get(mark.get("individual_id", mark.get("individual_uuid")))
        name = {"whale": (individual or {}).get("name")}  # before a number in a catalogue
        entries = [
            entry for entry in (name, individual, mark, mark.get("attributes"), image) if isinstance(entry, dict)
        ]
        texts = tabular.texts(*entries, also=WHALE)
        result.append(Row(_name(image), {**_size(image), **facts, **texts}, place))
    bare = [image for image in content["images"] if _name(image) not in annotated]
    return result + [
        Row(_name(image), {**_size(image), **tabular.texts(image, also=WHALE)}, f"{path.name} images") for image in bare
    ]


def _facts(mark: Mapping, kinds: Sequence[str], *, place: str, problems: list[str]) -> dict[str, Fact]:
    """The box and the points of an annotation."""
    facts, flat = {}, list(mark.get("keypoints") or ())
    if any(box := mark.get("bbox") or ()):
        facts["box"] = cells.numbers(box, f"{place}, bbox", problems=problems)
        if len(facts["box"]) != 4:
            problems.append(f"{place}: its bbox is not four numbers, x, y, width, height")
    if flat and len(flat) != 3 * len(kinds):
        problems.append(f"{place}: {len(flat)} numbers in keypoints where its category has {len(kinds)} points")
        return facts
    points = []
    for i, kind in enumerate(kinds if flat else ()):
        x, y, visible = flat[3 * i : 3 * i + 3]
        if visible:
            points.append(cells.numbers([x, y], f"{place}, keypoints", problems=problems))
            facts |= {kind: points[-1]} if kind else {}
    if "box" in facts and _is_hull(facts["box"], points):
        del facts["box"]  # CVAT's of a skeleton, which nobody drew
    return facts


def _is_hull(box: Sequence[float], points: Sequence[Sequence[float]]) -> bool:
    """Whether a box (x, y, width, height) is the rectangle around some points, to a pixel."""
    if not points or len(box) != 4:
        return False
    low, high = ([limit(axis) for axis in zip(*points, strict=True)] for limit in (min, max))
    ends = [*box[:2], box[0] + box[2], box[1] + box[3]]
    return all(abs(end - limit) < 1 for end, limit in zip(ends, [*low, *high], strict=True))


def _name(image: Mapping) -> str:
    """The photo's path, under one of the names that tools give it."""
    return str(next((image[key] for key in ("file_name", "path", "uri", "image_path") if image.get(key)), ""))


def _size(image: Mapping) -> dict[str, Fact]:
    width, height = image.get("width"), image.get("height")
    return {"size": (float(width), float(height))} if width and height else {}


def _files(folder: Folder) -> list[Path]:
    """JSON files with lists of images and annotations."""
    return [path for path in folder.documents if _is_coco(parsed(path))]


def _is_coco(content: Any) -> bool:
    return isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))


FORMAT = Format(evidence, read, pixels=True)
