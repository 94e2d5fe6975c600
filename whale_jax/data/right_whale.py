"""The photos as a TFDS dataset (array_record, JPEG bytes unchanged), and the table of what is known of them."""

import contextlib
import functools
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from array_record.python import array_record_module
from tensorflow_datasets.core import writer

from whale_jax import progress
from whale_jax.data import annotations, check, tables, threads
from whale_jax.data.annotations import Catalogue, Photo
from whale_jax.errors import InputError, full_disk

# TFDS holds a split in memory until it is complete, and beyond 1000 MiB it needs TensorFlow. So a split is a part of
# the photos, in order of name and of PART to 2 PART bytes (the last photo on top), and `load` joins them again.
PART = 192 << 20
COLUMNS = "columns.npz"


class Photos(NamedTuple):
    """All photos of a packaged dataset, ordered by name. N is their number.

    Attributes:
        name: (N,) file names, such as "w_1.jpg".
        whale: (N,) whaleID, "" where unlabelled.
        label: (N,) int32 index into `whales`, -1 where unlabelled.
        points: (N, 2, 2) float32 bonnet and blowhead as (x, y), in photo pixels; NaN where unknown.
        box: (N, 4) float32 head box (x, y, width, height), in photo pixels; NaN where unknown. Where nobody drew any,
            those around the points.
        encounter: (N,) name of the sighting, "" where unknown.
        size: (N, 2) int32 (height, width) of the photo, in pixels.
        whales: all whaleIDs: the columns of the sample submission in their order, else sorted.
        digest: hash of names, labels, annotations and JPEG bytes.
        jpeg: row -> bytes of the photo's file.
        asked: names of the photos in the sample submission, in its order; those left out are among them.
    """

    name: np.ndarray
    whale: np.ndarray
    label: np.ndarray
    points: np.ndarray
    box: np.ndarray
    encounter: np.ndarray
    size: np.ndarray
    whales: tuple[str, ...]
    digest: str
    jpeg: Callable[[int], bytes]
    asked: tuple[str, ...] = ()


def build(
    catalogue: Catalogue, folder: str | Path, *, skip_unreadable: bool = False, outside: float = 0.02
) -> tuple[str, ...]:
    """Packages a catalogue's photos into a folder, after decoding each. A dataset of the same photos there is kept.

    Args:
        catalogue: the photos.
        folder: where the dataset goes. What is not complete yet lies in its subfolder `incomplete`.
        skip_unreadable: leaves photos out that cannot be decoded, instead of refusing them all.
        outside: how far points and boxes may reach over the photo's edge, as a fraction of its longer side.

    Returns:
        The photos that were left out, each with the reason.

    Raises:
        InputError: unreadable photos, points or boxes outside, another dataset in the folder, or a full disk.
    """
    folder = Path(folder)
    if (folder / RightWhale.name).exists():
        if not unchanged(catalogue, folder):
            raise InputError(f"{folder} holds a dataset of other photos: delete it, or choose another folder")
        with np.load(_path(folder) / COLUMNS) as file:
            return tuple(file["skipped"].tolist())
    tfds.disable_progress_bar()  # there is one of our own
    partial = folder / "incomplete"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with full_disk(folder):
            partial.mkdir(parents=True)
            check.room(folder, 1.01 * sum(photo.file_size for photo in catalogue.photos))
            builder = RightWhale(catalogue, skip_unreadable, outside, data_dir=partial, file_format="array_record")
            with contextlib.redirect_stdout(None):  # TFDS talks of downloads
                builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
            columns = _columns(builder.rows, catalogue.whales)
            lists = {"skipped": builder.skipped, "asked": catalogue.asked}
            columns |= {name: np.array(names, dtype=str) for name, names in lists.items()}
            np.savez(builder.data_path / COLUMNS, source=_source(catalogue), **columns)
            os.replace(partial / RightWhale.name, folder / RightWhale.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return tuple(builder.skipped)


def load(folder: str | Path) -> Photos:
    """The dataset that `build` wrote into a folder. Reads the columns only; JPEGs are read when asked for."""
    path = _path(folder)
    if not (path / COLUMNS).exists():
        raise InputError(f"no photos were imported into {str(folder)!r}: run the import first")
    with np.load(path / COLUMNS) as file:
        columns = {key: file[key] for key in file.files}
    builder = tfds.builder_from_directory(path)
    records = builder.as_data_source("+".join(builder.info.splits), decoders={"image": tfds.decode.SkipDecoding()})
    if not np.isfinite(columns["box"]).any():
        columns["box"] = annotations.around(columns["points"])
    number = {whale: i for i, whale in enumerate(columns["whales"])}
    label = np.array([number.get(whale, -1) for whale in columns["whale"]], np.int32)
    return Photos(
        label=label,
        whales=tuple(columns["whales"].tolist()),
        digest=str(columns["digest"]),
        asked=tuple(columns["asked"].tolist()) if "asked" in columns else (),
        jpeg=lambda row: records[int(row)]["image"],
        **{key: columns[key] for key in ("name", "whale", "points", "box", "encounter", "size")},
    )


def unchanged(catalogue: Catalogue, folder: str | Path) -> bool:
    """Whether the dataset in a folder is of these photos and tables, to tell by file sizes."""
    with np.load(_path(folder) / COLUMNS) as file:
        return str(file["source"]) == _source(catalogue)


def annotated(photos: Photos, name: str) -> np.ndarray:
    """(N,) bool, of which photos the "label", the "points" or the "box" is known."""
    values = getattr(photos, name)
    return values >= 0 if name == "label" else np.isfinite(values).all(tuple(range(1, values.ndim)))


def _path(folder: str | Path) -> Path:
    return Path(folder) / RightWhale.name / str(RightWhale.VERSION)


class Uncompressed(writer.ExampleWriter):
    """Writes array_record without trying to compress JPEGs further, which costs a third of the import."""

    def write(self, path, examples):
        """Writes the (key, record) pairs."""
        file = array_record_module.ArrayRecordWriter(path, "group_size:1,uncompressed")
        for _, record in examples:
            file.write(record)
        file.close()


class RightWhale(tfds.core.GeneratorBasedBuilder):
    """Aerial photos of right whales: one record a photo, in order of name, with all that is known of it."""

    VERSION = tfds.core.Version("1.0.0")
    url_infos = None  # nothing to download; looking for it would need a package that TFDS does not declare

    def __init__(self, catalogue: Catalogue, skip_unreadable: bool, outside: float, **kwargs):
        """Takes what `build` takes, and TFDS's own arguments."""
        self._catalogue, self._skip_unreadable, self._outside = catalogue, skip_unreadable, outside
        self.rows: list[check.Checked] = []
        self.skipped: list[str] = []
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "name": tfds.features.Text(),
            "whale": tfds.features.Text(),
            "points": tfds.features.Tensor(shape=(2, 2), dtype=np.float32),
            "box": tfds.features.Tensor(shape=(4,), dtype=np.float32),
            "encounter": tfds.features.Text(),
            "size": tfds.features.Tensor(shape=(2,), dtype=np.int32),
        }
        features = tfds.features.FeaturesDict(features)
        return tfds.core.DatasetInfo(builder=self, description=__doc__, features=features, disable_shuffling=True)

    def _example_writer(self):
        return Uncompressed(self.info.file_format)

    def _split_generators(self, dl_manager):
        sizes = [photo.file_size for photo in self._catalogue.photos]
        part = np.cumsum(sizes) // PART
        part = np.minimum(part, max(part[-1] - 1, 0))  # a small last part joins the one before
        lengths = np.unique(part, return_counts=True)[1]
        lengths[-1] += 1  # so that the last part runs the stream to its end
        stream = self._checked()
        return {f"part_{i:04d}": self._generate_examples(itertools.islice(stream, n)) for i, n in enumerate(lengths)}

    def _generate_examples(self, part: Iterable[check.Checked]):
        before = len(self.rows)
        for row in part:
            if not row.problem:
                facts = {key: getattr(row.photo, key) for key in ("name", "whale", "points", "box", "encounter")}
                self.rows.append(row._replace(jpeg=b""))
                yield len(self.rows), {"image": row.jpeg, "size": np.array(row.size, np.int32), **facts}
        if len(self.rows) == before:
            raise InputError(f"{row.problem}, nor can any photo beside it: is {self._catalogue.root} whole?")

    def _checked(self) -> Iterator[check.Checked]:
        """All photos, the unreadable ones too. Problems raise InputError at the end; many of them do so at once."""
        problems, turned = [], []
        work = functools.partial(check.decode, self._catalogue.read_bytes)
        photos = self._catalogue.photos
        with progress.bar(len(photos), what="import", unit="photos") as bar:
            # One thread more than cores: those that wait while the writer holds the interpreter leave a core idle.
            workers = (os.cpu_count() or 1) + 1
            for row in threads.ahead(work, photos, workers=workers, depth=4 * workers):
                bar.update()
                turned += [row.photo.name] if row.turned else []
                if row.problem and self._skip_unreadable:
                    self.skipped.append(row.problem)
                elif row.problem:
                    problems.append(f"{row.problem}: replace it, or set skip_unreadable to leave it out")
                else:
                    problems += check.outside(row, margin=self._outside)
                if len(problems) >= tables.MOST:
                    break
                yield row
        tables.report(problems)
        if turned:
            what = (
                "photos are turned by viewers (EXIF), but points and boxes must be of their pixels as they are stored"
            )
            logging.warning("%d %s: look at %s", len(turned), what, turned[0])


def _columns(rows: list[check.Checked], whales: tuple[str, ...]) -> dict[str, np.ndarray]:
    """What `load` reads at once."""
    columns = {key: np.array([getattr(row.photo, key) for row in rows]) for key in Photo._fields[:5]}
    size = np.array([row.size for row in rows], np.int32)
    digest = _digest((_facts(row.photo) + row.digest for row in rows), whales)
    return {**columns, "size": size, "whales": np.array(whales, dtype=str), "digest": digest}


def _source(catalogue: Catalogue) -> str:
    """What a catalogue is told apart by before its photos are read."""
    facts = (_facts(photo) + b"%d" % photo.file_size for photo in catalogue.photos)
    return _digest(facts, (*catalogue.whales, *catalogue.asked))


def _facts(photo: Photo) -> bytes:
    """What a photo's annotations are told apart by."""
    texts = repr((photo.name, photo.whale, photo.encounter)).encode()
    return texts + photo.points.tobytes() + photo.box.tobytes()


def _digest(facts: Iterable[bytes], whales: Iterable[str]) -> str:
    total = hashlib.sha256(repr(tuple(whales)).encode())
    for fact in facts:
        total.update(fact)
    return total.hexdigest()
