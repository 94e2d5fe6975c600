"""Checks that photos can be read, that their annotations lie inside, and that the disk has room."""

import hashlib
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from whale_jax.data import photo_files
from whale_jax.data.catalogue import Photo
from whale_jax.runtime.errors import InputError

BLANK = 0.01  # share of rows of one colour above which a picture counts as blank; 4,545 of 4,566 real ones do not
LOSSY = ("JPEG", "MPO")
ZEROS = bytes(64)  # so many in a row are in no JPEG's picture, but where it is of one colour


class Checked(NamedTuple):
    """A photo's file and the results of decoding it.

    Attributes:
        photo: its annotations.
        jpeg: content of the file.
        size: (height, width) in pixels.
        digest: SHA-256 of the file, which identifies the photo.
        problem: which photo it is and why it cannot be read, "" where it can.
        turned: whether viewers turn it (EXIF), while its pixels are counted as they are stored.
        blank: whether parts of it are blank, as those of damaged files decode to, or all of it is.
        cut: whether the file lacks its end, but no pixel.
        crc32: of the file, which finds damage in half the time that `digest` takes.
    """

    photo: Photo
    jpeg: bytes = b""
    size: tuple[int, int] = (0, 0)
    digest: bytes = b""
    problem: str = ""
    turned: bool = False
    blank: bool = False
    cut: bool = False
    crc32: int = 0


def decode(read_bytes: Callable[[str], bytes], photo: Photo) -> Checked:
    """Decodes a photo, a JPEG at an eighth of its size, which still reads every byte of it.

    That finds files that are cut off and those that are no picture. The decoder passes over damage inside. Zeros,
    and a header with too many rows or columns, are found by the blank parts that they leave. Other damage is not
    found, such as a header with too few. A JPEG that lacks its end is read as long as all of its rows are there.
    """
    try:
        content = read_bytes(photo.name)
        image = photo_files.open_image(content)
        width, height = image.size
        start = image.fp.tell() if image.format in LOSSY else len(content)  # of a JPEG's picture
        image.draft("L", (1, 1))  # as little as the decoder can: an eighth, and no colour
        image.decodermaxblock = len(content) + len(photo_files.END)  # further blocks would wait for the interpreter
        image.load()
        picture = _small(image)
        cut = image.format in LOSSY and photo_files.END not in content[start:]
        if cut and (_blank(picture[-_tail(picture) :]) or image.info.get("progressive")):
            raise OSError("the file is cut off")
        note = photo_files.note(image)
    except Exception as error:  # Pillow raises many kinds on a broken file
        reason = "not a picture of a known kind" if isinstance(error, UnidentifiedImageError) else error
        prefix = f"{photo.places['whale']}: " if "whale" in photo.places else ""
        return Checked(photo, problem=f"{prefix}{photo.name} cannot be decoded ({reason})")
    blank = _blank(picture) or 0 <= content.find(ZEROS, start) < content.find(photo_files.END, start)
    digest, marks = hashlib.sha256(content).digest(), {"turned": note.orientation != 1, "blank": blank, "cut": cut}
    return Checked(photo, content, (height, width), digest, crc32=zlib.crc32(content), **marks)


def _small(image: Image.Image) -> np.ndarray:
    """(h, w) uint8 grey of a decoded picture, at an eighth of its size where a JPEG has not been shrunk already."""
    grey = image if image.mode == "L" else photo_files.rgb(image).convert("L")
    return np.asarray(grey if image.format in LOSSY else grey.reduce(min(8, *grey.size)))


def _tail(picture: np.ndarray) -> int:
    """The number of last rows in which a JPEG that is cut off shows it."""
    return max(1, round(BLANK * len(picture)))


def _blank(picture: np.ndarray) -> bool:
    """Whether more than a few rows of a small picture are of one colour: the sea has some detail everywhere."""
    return bool((np.ptp(picture, axis=1) <= 2).mean() > BLANK)


def outside(row: Checked, *, margin: float) -> list[str]:
    """A message for each point, and the box, that reaches more than `margin` of the longer side over the edge."""
    photo, size = row.photo, np.array(row.size[::-1])
    marks = {"bonnet": photo.points[:1], "blowhead": photo.points[1:]}
    marks["box"] = np.stack([photo.box[:2], photo.box[:2] + photo.box[2:]])
    far = margin * size.max()
    return [
        f"{photo.places[key]}: the {key} of {photo.name}, {np.round(xy, 1).tolist()}, is outside the photo of"
        f" {size[0]}x{size[1]} pixels: was it drawn on one of another size?"
        for key, xy in marks.items()
        if (xy < -far).any() or (xy > size + far).any()
    ]


def room(folder: Path, needed: float) -> None:
    """Raises InputError where a disk has no room for `needed` bytes: a full disk kills a memory map without a word."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        gib = f"{needed / 2**30:.2f} GiB, of which {free / 2**30:.2f} are free"
        raise InputError(f"no space left for {folder}: make room ({gib}), or choose a folder on another disk")
