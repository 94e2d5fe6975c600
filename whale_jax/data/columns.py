"""columns.npz, beside the photos of a packaged dataset: their annotations and checksums, an array for each fact."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from whale_jax.data import check, records
from whale_jax.data.catalogue import Catalogue
from whale_jax.runtime import storage
from whale_jax.runtime.errors import InputError

FILE = "columns.npz"
PHOTO = (*records.FACTS, "size")  # the columns that a person gave or sees
CHECKSUMS = ("sha256", "crc32")
SKIPPED, WHALES, SAMPLE, SOURCE, DIGEST = "skipped", "whales", "asked", "source", "digest"


def collect(rows: Sequence[check.Checked], skipped: Sequence[str]) -> dict[str, np.ndarray]:
    """(N, ...) columns of the N photos that were packaged, and of the reasons why others were not."""
    sha256 = np.frombuffer(b"".join(row.digest for row in rows), np.uint8).reshape(len(rows), -1)
    return {
        **{key: np.array([getattr(row.photo, key) for row in rows]) for key in records.FACTS},
        "size": np.array([row.size for row in rows], np.int32),
        "sha256": sha256,
        "crc32": np.array([row.crc32 for row in rows], np.uint32),
        SKIPPED: np.array(skipped, dtype=str),
    }


def join(shards: Sequence[Path]) -> dict[str, np.ndarray]:
    """(N, ...) columns of the datasets in some folders, one after the other."""
    columns = [read(shard) for shard in shards]
    keys = (*PHOTO, *CHECKSUMS, SKIPPED)
    return {key: np.concatenate([shard[key] for shard in columns]) for key in keys}


def write(folder: Path, catalogue: Catalogue, *, columns: dict[str, np.ndarray]) -> None:
    """Writes the (N, ...) columns of a catalogue's photos into the folder of their dataset, with a digest of all."""
    rows = zip(*(columns[key] for key in (*records.FACTS, "sha256")), strict=True)
    digest = _digest((_facts(*facts) + sha256.tobytes() for *facts, sha256 in rows), catalogue.whales)
    identity = {SOURCE: source(catalogue), DIGEST: digest}
    lists = {WHALES: np.array(catalogue.whales, dtype=str), SAMPLE: np.array(catalogue.sample, dtype=str)}
    np.savez(folder / FILE, **identity, **lists, **columns)


def read(folder: Path, *names: str) -> dict[str, np.ndarray]:
    """The (N, ...) columns of these names in the folder of a dataset, or all; InputError where there is no dataset."""
    if not (path := folder / FILE).exists():
        root = folder.parent.parent  # of the folder of this name and version
        raise InputError(f"no photos were imported into {str(root)!r}: run the import first")
    with storage.reading(path), np.load(path) as file:
        return {key: file[key] for key in names or file.files}


def source(catalogue: Catalogue) -> str:
    """A hash that identifies a catalogue before its photos are read: of annotations, names and file sizes."""
    facts = (_facts(*photo[: len(records.FACTS)]) + b"%d" % photo.file_size for photo in catalogue.photos)
    return _digest(facts, (*catalogue.whales, *catalogue.sample))


def _facts(name: str, whale: str, points: np.ndarray, box: np.ndarray, encounter: str) -> bytes:
    """The bytes that identify a photo's annotations."""
    return repr((str(name), str(whale), str(encounter))).encode() + points.tobytes() + box.tobytes()


def _digest(facts: Iterable[bytes], whales: Iterable[str]) -> str:
    total = hashlib.sha256(repr(tuple(whales)).encode())
    for fact in facts:
        total.update(fact)
    return total.hexdigest()
