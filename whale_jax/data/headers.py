"""What the headers of photos' files say: size, turn, time and camera, without decoding a pixel."""

from collections.abc import Sequence

from whale_jax.data import photo_files
from whale_jax.data.folder import File
from whale_jax.data.photo_files import Note
from whale_jax.runtime import progress, threads

UNREADABLE = Note((0, 0), 1, None, "")


def read(files: Sequence[File | None]) -> list[Note]:
    """What the header of each file says; UNREADABLE where there is no file, or none that can be read."""
    if not any(files):
        return [UNREADABLE] * len(files)
    return list(progress.bar(len(files), title="headers", unit="photos", items=threads.ahead(_note, files)))


def _note(file: File | None) -> Note:
    """What the header says. A file that cannot be read is reported by those who decode it."""
    try:
        with file.open() as stream, photo_files.open_header(stream) as image:
            return photo_files.note(image)
    except Exception:  # Pillow raises many kinds on a broken file
        return UNREADABLE
