"""The photos as a TFDS dataset (array_record, each file byte for byte), and the table of their annotations."""

import contextlib
import hashlib
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from whale_jax.data import annotations, beam, cells, check, columns, records
from whale_jax.data.catalogue import Catalogue
from whale_jax.data.records import RightWhale
from whale_jax.runtime import storage
from whale_jax.runtime.errors import InputError, full_disk

METADATA = ("dataset_info.json", "features.json")  # of TFDS


class Photos(NamedTuple):
    """All photos of a packaged dataset, ordered by name. N is their number.

    Attributes:
        name: (N,) paths of the files, such as "w_1.jpg"; a second whale on a photo is "w_1.jpg#2".
        whale: (N,) whaleID, "" where unlabelled.
        label: (N,) int32 index into `whales`, -1 where unlabelled.
        points: (N, 2, 2) float32 bonnet and blowhead as (x, y), in photo pixels; NaN where unknown.
        box: (N, 4) float32 head box (x, y, width, height), in photo pixels; NaN where unknown. If nobody drew any box,
            those around the points.
        encounter: (N,) name of the sighting, "" where unknown.
        size: (N, 2) int32 (height, width) of the photo, in pixels.
        whales: all whaleIDs: the columns of the sample submission in their order, else sorted.
        digest: hash of names, labels, annotations and the bytes of files.
        jpeg: row -> bytes of the photo's file.
        sample: names of the photos in the sample submission, in its order, also of those that were left out.
        file: (N,) int32, equal for photos that are the same file, byte for byte: under two names, or two whales on one.
            None where that is not known.
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
    sample: tuple[str, ...] = ()
    file: np.ndarray | None = None


def build(
    catalogue: Catalogue, folder: str | Path, *, skip_unreadable: bool = False, outside: float = 0.02, by_beam: str = ""
) -> tuple[str, ...]:
    """Packages a catalogue's photos into a folder, after decoding each. A dataset of the same photos there stays.

    Args:
        catalogue: the photos.
        folder: gets the dataset. Until it is complete, it lies in the subfolder `incomplete`.
        skip_unreadable: leaves photos out that cannot be decoded, instead of refusing them all.
        outside: how far points and boxes may reach over the photo's edge, as a fraction of its longer side.
        by_beam: options of Apache Beam, whose workers read the photos then.

    Returns:
        The photos that were left out, each with the reason.

    Raises:
        InputError: unreadable photos, points or boxes outside, another dataset in the folder, or a full disk.
    """
    if (skipped := _packaged(catalogue, folder)) is not None:
        return skipped
    tfds.disable_progress_bar()  # there is one of our own
    with _packaging(Path(folder)) as partial:
        check.room(folder, 1.01 * sum(photo.file_size for photo in catalogue.photos))
        notes, options = (partial / "notes", {"beam_options": beam.options(by_beam)}) if by_beam else (None, {})
        builder = RightWhale(
            catalogue,
            skip_unreadable=skip_unreadable,
            outside=outside,
            notes=notes,
            data_dir=partial,
            file_format="array_record",
        )
        with contextlib.redirect_stdout(None):  # TFDS talks of downloads
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(try_download_gcs=False, **options)
            )
        if by_beam:
            list(builder.sift(beam.checked(catalogue, notes)))
        columns.write(builder.data_path, catalogue, columns=columns.collect(builder.rows, builder.skipped))
    return tuple(builder.skipped)


def join(catalogue: Catalogue, folder: str | Path, *, shards: Sequence[tuple[Catalogue, Path]]) -> tuple[str, ...]:
    """Packages a catalogue's photos out of the datasets that `build` made of its shards, which stay as they are.

    Args:
        catalogue: the photos.
        folder: gets the dataset, the same that `build` makes of all photos.
        shards: some of the photos each, in order, and the folder of their dataset.

    Returns:
        The photos that were left out, each with the reason.

    Raises:
        InputError: another dataset in the folder, shards of other photos, or a full disk.
    """
    if (skipped := _packaged(catalogue, folder)) is not None:
        return skipped
    for members, shard in shards:
        if not unchanged(members, shard):
            raise InputError(f"{shard} holds other photos than are there now: delete {shard.parent}")
    joined = columns.join([_path(shard) for _, shard in shards])
    with _packaging(Path(folder)) as partial:
        path = _path(partial)
        path.mkdir(parents=True)
        splits = []
        for _, shard in shards:
            builder = tfds.builder_from_directory(_path(shard))
            for split in builder.info.splits.values():
                name = records.split_name(len(splits))
                splits.append(split.replace(name=name, filename_template=None))
                for file in split.filepaths:
                    _link(Path(file), path / file.name.replace(split.name, name))
        facts = {"description": builder.info.description, "disable_shuffling": True, "check_data": False}
        tfds.folder_dataset.write_metadata(data_dir=path, features=builder.info.features, split_infos=splits, **facts)
        columns.write(path, catalogue, columns=joined)
    return tuple(joined[columns.SKIPPED].tolist())


def load(folder: str | Path) -> Photos:
    """The dataset that `build` wrote into a folder. JPEGs are read on demand.

    A damaged file raises InputError, here or when its JPEG is read: each is compared with its checksum.
    """
    table = columns.read(_path(folder))
    if not np.isfinite(table["box"]).any():
        table["box"] = annotations.around(table["points"])
    whales = table[columns.WHALES].tolist()
    number = {whale: i for i, whale in enumerate(whales)}
    return Photos(
        label=np.array([number.get(whale, -1) for whale in table["whale"]], np.int32),
        whales=tuple(whales),
        digest=str(table[columns.DIGEST]),
        sample=tuple(table[columns.SAMPLE].tolist()) if columns.SAMPLE in table else (),
        jpeg=_jpegs(_path(folder), table),
        file=np.unique(table["sha256"], axis=0, return_inverse=True)[1].astype(np.int32) if "sha256" in table else None,
        **{key: table[key] for key in columns.PHOTO},
    )


def unchanged(catalogue: Catalogue, folder: str | Path) -> bool:
    """Whether the dataset in a folder is of these photos and tables, judged by file sizes."""
    return str(columns.read(_path(folder), columns.SOURCE)[columns.SOURCE]) == columns.source(catalogue)


def rewritten(catalogue: Catalogue, folder: str | Path, *, since: float) -> list[str]:
    """Names of the photos whose bytes differ from the dataset in a folder, among files written `since` a time.

    Files that nobody touched since then are not read; of a zip file that was touched, all photos are.
    """
    roots = filter(None, (catalogue.root, catalogue.gallery))
    files = [path for root in roots for path in root.rglob("*") if path.is_file() and path.stat().st_mtime > since]
    table = columns.read(_path(folder), "name", "sha256")
    imported = {name: row.tobytes() for name, row in zip(table["name"].tolist(), table["sha256"], strict=True)}
    names = {photo.name: photo.file or photo.name for photo in catalogue.photos if photo.name in imported}
    if not any(path.suffix.lower() == ".zip" for path in files):
        touched = {cells.clean(path.name) for path in files}
        names = [name for name, file in names.items() if cells.clean(cells.basename(file)) in touched]
    return sorted(name for name in names if hashlib.sha256(catalogue.read_bytes(name)).digest() != imported[name])


def annotated(photos: Photos, name: str) -> np.ndarray:
    """(N,) bool, whether the "label", the "points" or the "box" of a photo is known."""
    values = getattr(photos, name)
    return values >= 0 if name == "label" else np.isfinite(values).all(tuple(range(1, values.ndim)))


def unlabelled(photos: Photos) -> Photos:
    """Photos whose names are left out: a network names its own whales, and those may be others."""
    return photos._replace(whales=(), label=np.full(len(photos.name), -1, np.int32))


def located(photos: Photos) -> np.ndarray:
    """(N,) bool, on which photos somebody marked the head, by points or a box."""
    return annotated(photos, "points") | annotated(photos, "box")


def _path(folder: str | Path) -> Path:
    return Path(folder) / RightWhale.name / str(RightWhale.VERSION)


def _packaged(catalogue: Catalogue, folder: str | Path) -> tuple[str, ...] | None:
    """The photos that the dataset in the folder left out, if it is of these photos; None where there is none."""
    if not (Path(folder) / RightWhale.name).exists():
        return None
    if not unchanged(catalogue, folder):
        raise InputError(f"{folder} holds a dataset of other photos: delete it, or choose another folder")
    return tuple(columns.read(_path(folder), columns.SKIPPED)[columns.SKIPPED].tolist())


@contextlib.contextmanager
def _packaging(folder: Path) -> Iterator[Path]:
    """A folder to write the dataset into. It is moved to its place at the end, and removed where that fails."""
    partial = folder / "incomplete"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with full_disk(folder):
            partial.mkdir(parents=True)
            yield partial
            os.replace(partial / RightWhale.name, folder / RightWhale.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _link(file: Path, target: Path) -> None:
    """Gives a file another name; copies it where a disk has no hard links."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


def _jpegs(path: Path, table: Mapping[str, np.ndarray]) -> Callable[[int], bytes]:
    """row -> the photo's file, out of a dataset whose columns have a checksum of each: SHA-256, in older ones."""
    for name in METADATA:
        with storage.reading(path / name):
            pass
    with storage.reading(path):
        builder = tfds.builder_from_directory(path)
        source = builder.as_data_source("+".join(builder.info.splits), decoders={"image": tfds.decode.SkipDecoding()})
        if len(source) != len(table["name"]):
            raise ValueError(f"{len(source):,} photos in place of {len(table['name']):,}")

    def same(content: bytes, row: int) -> bool:
        if "crc32" in table:
            return zlib.crc32(content) == table["crc32"][row]
        return hashlib.sha256(content).digest() == table["sha256"][row].tobytes()

    def jpeg(row: int) -> bytes:
        with storage.reading(path / table["name"][row]):  # no file of its own, but the name that a person knows
            content = source[int(row)]["image"]
            if not same(content, row):
                raise ValueError("it is not the photo that was imported")
            return content

    return jpeg
