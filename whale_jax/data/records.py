"""How TFDS writes the photos of a catalogue: as array_record, a record a photo, without TensorFlow."""

import functools
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from array_record.python import array_record_module
from tensorflow_datasets.core import writer

from whale_jax.data import beam, cells, check
from whale_jax.data.catalogue import Catalogue, Photo
from whale_jax.runtime import progress, threads
from whale_jax.runtime.errors import InputError

# TFDS holds a split in memory until it is complete, and beyond 1000 MiB it needs TensorFlow. So a split is a part of
# the photos, in order of name and of PART to 2 PART bytes (the last photo on top), and `load` joins them again.
PART = 192 << 20
FACTS = Photo._fields[:5]  # the annotations of a photo


def split_name(number: int) -> str:
    """The name of a part of the photos, which is a split to TFDS."""
    return f"part_{number:04d}"


class Uncompressed(writer.ExampleWriter):
    """Writes array_record without trying to compress JPEGs further, which costs a third of the import."""

    def write(self, path, examples):
        """Writes the (key, record) pairs."""
        file = array_record_module.ArrayRecordWriter(os.fspath(path), "group_size:1,uncompressed")
        for _, record in examples:
            file.write(record)
        file.close()


class LocalInfo(tfds.core.DatasetInfo):
    """Of a dataset that is made here: TFDS would look for it in a bucket, by a folder that it leaves behind."""

    def initialize_from_bucket(self) -> None:
        """Nothing is known elsewhere."""


class RightWhale(tfds.core.GeneratorBasedBuilder):
    """Aerial photos of right whales: one record a photo, in order of name, with its annotations."""

    VERSION = tfds.core.Version("1.0.0")
    url_infos = None  # nothing to download; looking for it would need a package that TFDS does not declare

    def __init__(
        self, catalogue: Catalogue, *, skip_unreadable: bool, outside: float, notes: Path | None = None, **kwargs
    ):
        """Takes the arguments of `right_whale.build`, the path of the notes of Beam's workers, and TFDS's arguments."""
        self._catalogue, self._skip_unreadable, self._outside = catalogue, skip_unreadable, outside
        self._notes = notes
        self.rows: list[check.Checked] = []
        self.skipped: list[str] = []
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(),
            "name": tfds.features.Text(),
            "whale": tfds.features.Text(),
            "points": tfds.features.Tensor(shape=(2, 2), dtype=np.float32),
            "box": tfds.features.Tensor(shape=(4,), dtype=np.float32),
            "encounter": tfds.features.Text(),
            "size": tfds.features.Tensor(shape=(2,), dtype=np.int32),
        }
        features = tfds.features.FeaturesDict(features)
        return LocalInfo(builder=self, description=__doc__, features=features, disable_shuffling=True)

    def _example_writer(self):
        return Uncompressed(self.info.file_format)

    def _split_generators(self, dl_manager):
        if self._notes:
            return {split_name(0): beam.read(self._catalogue, example, notes=self._notes)}
        sizes = [photo.file_size for photo in self._catalogue.photos]
        part = np.cumsum(sizes) // PART
        part = np.minimum(part, max(part[-1] - 1, 0))  # a small last part joins the one before
        lengths = np.unique(part, return_counts=True)[1]
        lengths[-1] += 1  # so that the last part runs the stream to its end
        stream = self.sift(self._decoded())
        return {split_name(i): self._generate_examples(itertools.islice(stream, n)) for i, n in enumerate(lengths)}

    def _generate_examples(self, part: Iterable[check.Checked]):
        before, first, count = len(self.rows), "", 0
        for row in part:
            first, count = first or row.photo.name, count + 1
            if not row.problem:
                yield len(self.rows), example(row)
        if len(self.rows) == before:
            beside = f", nor can any of the {count:,} photos from {first} to it" if count > 1 else ""
            raise InputError(f"{row.problem}{beside}: is {self._catalogue.root} whole? If so, move them out of it")

    def _decoded(self) -> Iterator[check.Checked]:
        work = functools.partial(check.decode, self._catalogue.read_bytes)
        photos = self._catalogue.photos
        # One thread more than cores: those that wait while the writer holds the interpreter leave a core idle.
        workers = threads.cores() + 1
        rows = threads.ahead(work, photos, workers=workers, depth=4 * workers)
        yield from progress.bar(len(photos), title="import", unit="photos", items=rows)

    def sift(self, photos: Iterable[check.Checked]) -> Iterator[check.Checked]:
        """All photos, the unreadable ones too. Problems raise InputError at the end; many of them do so at once."""
        problems, turned, blank, cut = [], [], [], []
        for row in photos:
            turned += [row.photo.name] if row.turned else []
            blank += [row.photo.name] if row.blank else []
            cut += [row.photo.name] if row.cut else []
            if row.problem and self._skip_unreadable:
                self.skipped.append(row.problem)
            elif row.problem:
                problems.append(
                    f"{row.problem}: replace it, or leave it out by --config.stages.photos.skip_unreadable=True"
                )
            else:
                problems += check.outside(row, margin=self._outside)
                self.rows.append(row._replace(jpeg=b""))
            if len(problems) >= cells.MOST:
                break
            yield row
        cells.report(problems)
        if turned:
            message = (
                "photos are turned by viewers (EXIF), but points and boxes must be of their pixels as they are stored"
            )
            logging.warning("%d %s: look at %s", len(turned), message, turned[0])
        if blank:
            message = "photos have blank parts, as damaged files have that can still be decoded"
            logging.warning("%d %s: look at %s", len(blank), message, blank[0])
        if cut:
            message = "photos lack the end of their file, but no pixel"
            logging.warning("%d %s: copy %s again", len(cut), message, cut[0])


def example(row: check.Checked) -> dict[str, Any]:
    """The record of a photo."""
    facts = {key: getattr(row.photo, key) for key in FACTS}
    return {"image": row.jpeg, "size": np.array(row.size, np.int32), **facts}
