"""The photos as a TFDS dataset (array_record, JPEG bytes unchanged), and the table of what is known of them."""

import contextlib
import hashlib
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from whale_jax.data import annotations, beam, check, records
from whale_jax.data.annotations import Catalogue
from whale_jax.data.records import RightWhale
from whale_jax.runtime import storage
from whale_jax.runtime.errors import InputError, full_disk

COLUMNS = "columns.npz"
METADATA = ("dataset_info.json", "features.json")  # of TFDS
COLUMN = (*records.FACTS, "size")


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
    catalogue: Catalogue, folder: str | Path, *, skip_unreadable: bool = False, outside: float = 0.02, by_beam: str = ""
) -> tuple[str, ...]:
    """Packages a catalogue's photos into a folder, after decoding each. A dataset of the same photos there is kept.

    Args:
        catalogue: the photos.
        folder: where the dataset goes. What is not complete yet lies in its subfolder `incomplete`.
        skip_unreadable: leaves photos out that cannot be decoded, instead of refusing them all.
        outside: how far points and boxes may reach over the photo's edge, as a fraction of its longer side.
        by_beam: options of Apache Beam, whose workers read the photos then.

    Returns:
        The photos that were left out, each with the reason.

    Raises:
        InputError: unreadable photos, points or boxes outside, another dataset in the folder, or a full disk.
    """
    if (skipped := _kept(catalogue, folder)) is not None:
        return skipped
    tfds.disable_progress_bar()  # there is one of our own
    with _packaging(Path(folder)) as partial:
        check.room(folder, 1.01 * sum(photo.file_size for photo in catalogue.photos))
        notes, how = (partial / "notes", {"beam_options": beam.options(by_beam)}) if by_beam else (None, {})
        builder = RightWhale(
            catalogue, skip_unreadable, outside, notes=notes, data_dir=partial, file_format="array_record"
        )
        with contextlib.redirect_stdout(None):  # TFDS talks of downloads
            builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False, **how))
        if by_beam:
            list(builder.sift(beam.found(catalogue, notes)))
        _write_columns(builder.data_path, catalogue, _columns(builder.rows, builder.skipped))
    return tuple(builder.skipped)


def join(catalogue: Catalogue, shards: Sequence[tuple[Catalogue, Path]], folder: str | Path) -> tuple[str, ...]:
    """Packages a catalogue's photos out of what `build` made of its shards, which stay as they are.

    Args:
        catalogue: the photos.
        shards: some of the photos each, in order, and the folder of their dataset.
        folder: where the dataset goes, the same that `build` makes of all photos.

    Returns:
        The photos that were left out, each with the reason.

    Raises:
        InputError: another dataset in the folder, shards of other photos, or a full disk.
    """
    if (skipped := _kept(catalogue, folder)) is not None:
        return skipped
    for some, shard in shards:
        if not unchanged(some, shard):
            raise InputError(f"{shard} holds other photos than are there now: delete {shard.parent}")
    columns = [_read_columns(shard) for _, shard in shards]
    columns = {key: np.concatenate([one[key] for one in columns]) for key in (*COLUMN, "sha256", "crc32", "skipped")}
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
        _write_columns(path, catalogue, columns)
    return tuple(columns["skipped"].tolist())


def load(folder: str | Path) -> Photos:
    """The dataset that `build` wrote into a folder. Reads the columns only; JPEGs are read when asked for.

    A damaged file raises InputError, here or when its JPEG is read: each is compared with its checksum.
    """
    columns = _read_columns(folder)
    if not np.isfinite(columns["box"]).any():
        columns["box"] = annotations.around(columns["points"])
    number = {whale: i for i, whale in enumerate(columns["whales"])}
    label = np.array([number.get(whale, -1) for whale in columns["whale"]], np.int32)
    return Photos(
        label=label,
        whales=tuple(columns["whales"].tolist()),
        digest=str(columns["digest"]),
        asked=tuple(columns["asked"].tolist()) if "asked" in columns else (),
        jpeg=_jpegs(_path(folder), columns),
        **{key: columns[key] for key in COLUMN},
    )


def unchanged(catalogue: Catalogue, folder: str | Path) -> bool:
    """Whether the dataset in a folder is of these photos and tables, to tell by file sizes."""
    return str(_read_columns(folder, "source")["source"]) == _source(catalogue)


def rewritten(catalogue: Catalogue, folder: str | Path, *, since: float) -> list[str]:
    """Names of the photos whose bytes are not those of the dataset in a folder, among files written `since` a time.

    Files that nobody touched since then are not read; of a zip file that was, all photos are.
    """
    files = [path for path in catalogue.root.rglob("*") if path.is_file() and path.stat().st_mtime > since]
    columns = _read_columns(folder, "name", "sha256")
    imported = {name: row.tobytes() for name, row in zip(columns["name"].tolist(), columns["sha256"], strict=True)}
    names = imported.keys() & {photo.name for photo in catalogue.photos}
    if not any(path.suffix.lower() == ".zip" for path in files):
        names &= {path.name for path in files}
    return sorted(name for name in names if hashlib.sha256(catalogue.read_bytes(name)).digest() != imported[name])


def annotated(photos: Photos, name: str) -> np.ndarray:
    """(N,) bool, of which photos the "label", the "points" or the "box" is known."""
    values = getattr(photos, name)
    return values >= 0 if name == "label" else np.isfinite(values).all(tuple(range(1, values.ndim)))


def located(photos: Photos) -> np.ndarray:
    """(N,) bool, on which photos somebody marked the head, by points or a box."""
    return annotated(photos, "points") | annotated(photos, "box")


def _path(folder: str | Path) -> Path:
    return Path(folder) / RightWhale.name / str(RightWhale.VERSION)


def _kept(catalogue: Catalogue, folder: str | Path) -> tuple[str, ...] | None:
    """What the dataset of these photos that is in the folder already left out; None where there is none."""
    if not (Path(folder) / RightWhale.name).exists():
        return None
    if not unchanged(catalogue, folder):
        raise InputError(f"{folder} holds a dataset of other photos: delete it, or choose another folder")
    return tuple(_read_columns(folder, "skipped")["skipped"].tolist())


@contextlib.contextmanager
def _packaging(folder: Path) -> Iterator[Path]:
    """A folder to write the dataset into. It is moved to its place at the end, and nothing is left where that fails."""
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
    """The same file under another name; a copy, where a disk knows no such thing."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


def _columns(rows: list[check.Checked], skipped: list[str]) -> dict[str, np.ndarray]:
    """What is known of the photos that were packaged, a column a fact, and of those that were not."""
    columns = {key: np.array([getattr(row.photo, key) for row in rows]) for key in records.FACTS}
    sha256 = np.frombuffer(b"".join(row.digest for row in rows), np.uint8).reshape(len(rows), -1)
    return {
        **columns,
        "size": np.array([row.size for row in rows], np.int32),
        "sha256": sha256,
        "crc32": np.array([row.crc32 for row in rows], np.uint32),
        "skipped": np.array(skipped, dtype=str),
    }


def _write_columns(path: Path, catalogue: Catalogue, columns: dict[str, np.ndarray]) -> None:
    """Writes what `load` reads at once."""
    rows = zip(*(columns[key] for key in (*records.FACTS, "sha256")), strict=True)
    digest = _digest((_facts(*facts) + sha256.tobytes() for *facts, sha256 in rows), catalogue.whales)
    lists = {"whales": np.array(catalogue.whales, dtype=str), "asked": np.array(catalogue.asked, dtype=str)}
    np.savez(path / COLUMNS, source=_source(catalogue), digest=digest, **lists, **columns)


def _read_columns(folder: str | Path, *names: str) -> dict[str, np.ndarray]:
    """The columns of these names; all, where none is given."""
    if not (path := _path(folder) / COLUMNS).exists():
        raise InputError(f"no photos were imported into {str(folder)!r}: run the import first")
    with storage.reading(path), np.load(path) as file:
        return {key: file[key] for key in names or file.files}


def _jpegs(path: Path, columns: dict[str, np.ndarray]) -> Callable[[int], bytes]:
    """row -> the photo's file, out of a dataset whose `columns` have a checksum of each: SHA-256, in older ones."""
    for name in METADATA:
        with storage.reading(path / name):
            pass
    with storage.reading(path):
        builder = tfds.builder_from_directory(path)
        source = builder.as_data_source("+".join(builder.info.splits), decoders={"image": tfds.decode.SkipDecoding()})
        if len(source) != len(columns["name"]):
            raise ValueError(f"{len(source):,} photos in place of {len(columns['name']):,}")

    def same(content: bytes, row: int) -> bool:
        if "crc32" in columns:
            return zlib.crc32(content) == columns["crc32"][row]
        return hashlib.sha256(content).digest() == columns["sha256"][row].tobytes()

    def jpeg(row: int) -> bytes:
        with storage.reading(path / columns["name"][row]):  # no file of its own, but what a person calls it
            content = source[int(row)]["image"]
            if not same(content, row):
                raise ValueError("it is not the photo that was imported")
            return content

    return jpeg


def _source(catalogue: Catalogue) -> str:
    """What a catalogue is told apart by before its photos are read."""
    facts = (_facts(*photo[: len(records.FACTS)]) + b"%d" % photo.file_size for photo in catalogue.photos)
    return _digest(facts, (*catalogue.whales, *catalogue.asked))


def _facts(name: str, whale: str, points: np.ndarray, box: np.ndarray, encounter: str) -> bytes:
    """What a photo's annotations are told apart by."""
    return repr((str(name), str(whale), str(encounter))).encode() + points.tobytes() + box.tobytes()


def _digest(facts: Iterable[bytes], whales: Iterable[str]) -> str:
    total = hashlib.sha256(repr(tuple(whales)).encode())
    for fact in facts:
        total.update(fact)
    return total.hexdigest()
