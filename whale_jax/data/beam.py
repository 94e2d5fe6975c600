"""The import by Apache Beam, as TFDS knows it: workers read and check the photos, here or wherever a runner has them.

The project does not install Beam; the direct runner needs nothing but `pip install apache-beam`.
"""

import functools
import json
import pickle
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from whale_jax.data import check
from whale_jax.data.catalogue import Catalogue, Photo
from whale_jax.runtime.errors import InputError

MARKS = ("problem", "turned", "blank", "cut", "crc32")  # what a note says of a photo


def options(text: str) -> Any:
    """Beam's options, as its command line has them: "--runner=DirectRunner --direct_num_workers=8"."""
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise InputError(
            f"config.beam needs Apache Beam ({error}): pip install apache-beam, or leave it empty"
        ) from None
    return PipelineOptions(shlex.split(text))


def read(catalogue: Catalogue, example: Callable[[check.Checked], dict[str, Any]], *, notes: Path) -> Any:
    """The Beam transform to (row, example) of each photo that can be read. Its results for all photos are in `notes`.

    Args:
        catalogue: the photos.
        example: the record of a photo.
        notes: begins the names of the files that `checked` reads.
    """
    import apache_beam as beam

    try:
        pickle.dumps(catalogue.read_bytes)
    except TypeError:
        raise InputError(f"{catalogue.root}: Beam's workers cannot share a zip file: unpack it") from None
    # In most folders the first can be read, and the others are not looked at.
    if all(check.decode(catalogue.read_bytes, photo).problem for photo in catalogue.photos):
        raise InputError(f"no photo of {catalogue.root} can be decoded: is it whole?")
    decode = functools.partial(_decode, catalogue.read_bytes)

    @beam.ptransform_fn
    def checked_photos(pipeline):
        rows = pipeline | "photos" >> beam.Create(list(enumerate(catalogue.photos))) | "decode" >> beam.Map(decode)
        rows | "note" >> beam.Map(_note) | "notes" >> beam.io.WriteToText(str(notes))
        good = rows | "readable" >> beam.Filter(lambda row: not row[1].problem)
        return good | "example" >> beam.Map(lambda row: (row[0], example(row[1])))

    return checked_photos()


def checked(catalogue: Catalogue, notes: Path) -> Iterator[check.Checked]:
    """All photos in order, without their files, as the transform of `read` noted them."""
    lines = (
        line for path in notes.parent.glob(f"{notes.name}-*") for line in path.read_text(encoding="utf-8").splitlines()
    )
    for note in sorted(map(json.loads, lines), key=lambda note: note["row"]):
        photo, size, digest = catalogue.photos[note["row"]], tuple(note["size"]), bytes.fromhex(note["digest"])
        marks = {key: note[key] for key in MARKS}
        yield check.Checked(photo, size=size, digest=digest, **marks)


def _decode(read_bytes: Callable[[str], bytes], row: tuple[int, Photo]) -> tuple[int, check.Checked]:
    return row[0], check.decode(read_bytes, row[1])


def _note(row: tuple[int, check.Checked]) -> str:
    number, photo = row
    marks = {key: getattr(photo, key) for key in MARKS}
    return json.dumps({"row": number, "size": photo.size, "digest": photo.digest.hex(), **marks})
