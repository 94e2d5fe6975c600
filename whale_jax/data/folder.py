"""The files in a person's folder: photos, tables, and all else, which is named and not passed over in silence."""

import functools
import json
import os
import sys
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

from whale_jax.data import cells, decisions, sheets
from whale_jax.data.photo_files import SUFFIXES
from whale_jax.runtime import storage
from whale_jax.runtime.errors import InputError

LARGEST = 256 << 20  # bytes of a photo's file: one of 50 megapixels has a tenth of that
HOME = "imgs"  # the competition's folder of photos, whose name is no part of theirs
CROPS = ("train/", "test/")  # those of ready crops, likewise
TABLES = (".csv", ".tsv", ".xlsx", ".json")
SYSTEM = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}  # what systems leave in folders
SYSTEM |= {"lost+found", "system volume information", "$recycle.bin"}
ADVICE = {
    ".xls": "save it as .xlsx or CSV",
    ".ods": "save it as .xlsx or CSV",
    ".numbers": "save it as .xlsx or CSV",
    ".mov": "save frames of it as pictures",
    ".mp4": "save frames of it as pictures",
    ".zip": "unpack it",
    **dict.fromkeys(
        (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"), "save raw photos as TIFF or JPEG"
    ),
}


class File(NamedTuple):
    """A photo's file: its size in bytes, a function that reads all of it, and one that opens it."""

    size: int
    read: Callable[[], bytes]
    open: Callable[[], BinaryIO]


class Folder(NamedTuple):
    """A folder of photos.

    Attributes:
        root: its path.
        photos: path below the root -> file. Of a photo in `imgs`, and in `train` and `test` of ready crops, the path
            begins behind these. Written with / and in Unicode's form NFC, in order.
        tables: files that may say what the photos show, those nearest to the root, in order.
        unusable: paths of all other files, but those that systems leave.
        hidden: the folders that are no part of a photo's name, such as ("imgs/",).
        decisions: files of what a person decided, at any depth -> the folder of each as photos below it have it in
            their names, such as "june/".
    """

    root: Path
    photos: dict[str, File]
    tables: tuple[Path, ...]
    unusable: tuple[str, ...]
    hidden: tuple[str, ...]
    decisions: Mapping[Path, str] = {}

    @property
    def documents(self) -> list[Path]:
        """The tables that are JSON."""
        return [path for path in self.tables if _is_document(path)]

    @property
    def sheets(self) -> list[Path]:
        """The tables of rows and columns."""
        return [path for path in self.tables if not _is_document(path)]

    def table(self, name: str) -> Path | None:
        """The table of this name in the root, if there is one."""
        return next((path for path in self.tables if path.parent == self.root and path.name == name), None)


def read(root: Path) -> Folder:
    """Lists a folder. A name that is no text, two photos of a name, or a damaged zip file raises InputError."""
    if not root.is_dir():
        raise InputError(f"no folder {str(root)!r}: give the one that holds the photos and their tables")
    photos: dict[str, File] = {}
    tables, unusable, reviews = [], [], {}
    hidden = _hidden(root)
    for path, file in _files(root):
        suffix = os.path.splitext(path)[1].lower()
        if suffix in SUFFIXES:
            name = _name(path, hidden)
            _check(f"{root}/{path}", name, file.size)
            if name in photos:
                raise InputError(f"{root}/{path}: there are two photos of this name: rename one of them")
            photos[name] = file
        elif suffix in TABLES and (root / path).exists() and decisions.is_file(root / path):
            reviews[root / path] = "".join(_name(path, hidden).rpartition("/")[:2])
        elif suffix in TABLES and (root / path).exists():
            tables.append(root / path)
        elif path != f"{HOME}.zip":
            unusable.append(path)
    depth = min((len(path.parts) for path in tables), default=0)
    nearest = tuple(path for path in tables if len(path.parts) == depth)
    unusable += [path.relative_to(root).as_posix() for path in tables if path not in nearest]
    return Folder(root, dict(sorted(photos.items())), nearest, tuple(unusable), hidden, reviews)


def _hidden(root: Path) -> tuple[str, ...]:
    """The folders that are no part of a photo's name: imgs, or those of ready crops."""
    if (root / HOME).is_dir() or (root / f"{HOME}.zip").exists():
        return (f"{HOME}/",)
    labels = root / "train.csv"
    ready = labels.exists() and sorted(map(cells.key, sheets.read(labels).header)) != ["id", "image"]  # Happywhale's
    return CROPS if ready else ()


def unread(folder: Folder) -> Iterator[str]:
    """A line for each kind of file that is not read, which names some of them and says what to do."""
    kinds: dict[str, list[str]] = {}
    for path in folder.unusable:
        kinds.setdefault(Path(path).suffix.lower(), []).append(path)
    for kind, paths in sorted(kinds.items()):
        advice = f": {ADVICE[kind]}" if kind in ADVICE else ""
        if kind in TABLES and folder.tables:
            advice = f": {folder.tables[0].name} lies nearer to the root; what is to be read, too, must lie beside it"
        yield f"not read: {cells.examples(paths)}{advice}"


@storage.file_cache(4)
def parsed(path: Path) -> Any:
    """The content of a JSON file. One that is damaged raises InputError."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}): was it copied whole?") from error


def header(path: Path) -> tuple[str, ...]:
    """The cells of a table's first line; () of a JSON file."""
    return () if _is_document(path) else sheets.read(path).header


def _is_document(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _name(path: str, prefixes: tuple[str, ...]) -> str:
    """The name of a photo at a path below the root."""
    path = unicodedata.normalize("NFC", path)
    return next((path.removeprefix(prefix) for prefix in prefixes if path.startswith(prefix)), path)


def _check(path: str, name: str, size: int) -> None:
    """Raises InputError where a photo's file has a name that is no text, or is too large to be a photo."""
    if "\\udc" in ascii(name):  # how Python keeps bytes that it cannot decode
        encoding = sys.getfilesystemencoding()
        raise InputError(f"the file name {path!a} is not in {encoding}: rename it, or set PYTHONUTF8=1")
    if reason := cells.flaw(name):
        raise InputError(f"the file name {reason}: rename it")
    if size > LARGEST:
        gib = f"{size / 2**30:.2f} GiB, more than {LARGEST / 2**30:.2f}"
        raise InputError(f"{path} is too large for a photo ({gib}): remove it")


def _files(root: Path) -> Iterator[tuple[str, File]]:
    """Path below the root and reader of every file, those in imgs.zip included; but not of the folders of runs."""
    for folder, folders, names in os.walk(root, followlinks=True, onerror=_refuse):
        above = Path(folder).resolve() if os.path.islink(folder) else None
        if above and Path(folder).parent.resolve().is_relative_to(above):  # a link that would go round for ever
            folders[:] = []
            continue
        folders[:] = sorted(name for name in folders if _visible(name) and not _is_run(Path(folder, name)))
        below = Path(folder).relative_to(root).as_posix()
        for name in sorted(filter(_visible, names)):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                opener = functools.partial(open, path, "rb")
                yield name if below == "." else f"{below}/{name}", _file(os.path.getsize(path), opener)
    if (archive := root / f"{HOME}.zip").exists() and not (root / HOME).is_dir():
        yield from _members(archive)


def _refuse(error: OSError) -> NoReturn:
    advice = "let this user read it, or move it out"
    raise InputError(f"the folder {error.filename} cannot be listed ({error.strerror}): {advice}")


def _members(path: Path) -> Iterator[tuple[str, File]]:
    """The same of a zip file of photos, as if it were unpacked."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no complete zip file ({error}): copy it again") from error
    for member in archive.infolist():
        name = member.filename.removeprefix(f"{HOME}/")
        if not member.is_dir() and all(map(_visible, name.split("/"))):
            yield f"{HOME}/{name}", _file(member.file_size, functools.partial(archive.open, member))


def _visible(name: str) -> bool:
    return not name.startswith((".", "~$")) and name.lower() not in SYSTEM  # the second of a file that Excel has open


def _is_run(folder: Path) -> bool:
    """Whether a folder is that of a run, whose pictures are no photos."""
    try:
        return "program" in json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _file(size: int, opener: Callable[[], BinaryIO]) -> File:
    return File(size, functools.partial(_content, opener, size), opener)


def _content(opener: Callable[[], BinaryIO], size: int) -> bytes:
    """The content of a photo's file. Its folder or zip file gives the size, and no more than that is read."""
    with opener() as file:
        content = file.read(size + 1)
    if len(content) != size:
        raise InputError(f"its file does not have the {size} bytes that its folder or zip file tells")
    return content
