"""The files of photos: which kinds can be decoded, and how one is opened. HEIC is read by pillow-heif.

Coordinates are in the pixels that these decoders give. Those of a HEIC and of a TIFF are as viewers show them; of all
other kinds as they are stored, before a viewer turns them as EXIF says.
"""

import datetime
import io
from typing import BinaryIO, NamedTuple

import pillow_heif
from PIL import ExifTags, Image

from whale_jax.data import cells

CAMERA = 100  # characters of the name of a camera, which becomes a part of the names of encounters
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".tif", ".tiff")
SUFFIXES += (".bmp", ".gif", ".webp", ".heic", ".heif", ".avif")
END = b"\xff\xd9"  # of a JPEG's picture
JPEG = b"\xff\xd8"  # how a JPEG begins
DEEP = ("I;16", "I;16B", "I;16L", "I", "F")  # modes with more than eight bits a pixel

pillow_heif.register_heif_opener()
Image.init()
FORMATS = tuple({"JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "HEIF", "AVIF"} & {*Image.OPEN})  # MPO is a JPEG


class Note(NamedTuple):
    """What the header of a photo's file says.

    Attributes:
        size: (height, width) in pixels.
        orientation: of EXIF, 1 to 8; 1 where the file says none, or none that exists, and where the decoder has turned
            the pixels.
        time: when it was taken, without a time zone; None where the file does not say.
        camera: make, model and serial number, "" where the file does not say.
    """

    size: tuple[int, int]
    orientation: int
    time: datetime.datetime | None
    camera: str


def open_image(content: bytes) -> Image.Image:
    """The picture in a file, not decoded yet. A file of another kind raises PIL.UnidentifiedImageError.

    A JPEG whose end marker was lost gets one: all of its pixels may be there.
    """
    if content.startswith(JPEG) and not content.endswith(END):
        content += END
    return Image.open(io.BytesIO(content), formats=FORMATS)


def open_header(stream: BinaryIO) -> Image.Image:
    """The picture in an open file, of which no more is read than its header."""
    return Image.open(stream, formats=FORMATS)


def rgb(source: Image.Image) -> Image.Image:
    """The picture in 8 bits of red, green and blue. Of 16 bits, the upper eight; transparent parts are white."""
    if source.mode == "RGB":
        return source
    if source.mode in DEEP:
        return source.point(lambda value: value / 256).convert("L").convert("RGB")
    if source.mode in ("RGBA", "LA", "PA") or "transparency" in source.info:
        layer = source.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return source.convert("RGB")


def note(source: Image.Image) -> Note:
    """What the header of an opened picture says; a broken note about a photo is as none."""
    width, height = source.size
    try:
        exif = source.getexif()
        detail = exif.get_ifd(ExifTags.IFD.Exif)
    except Exception:  # Pillow raises many kinds on broken EXIF, and a photo is none the worse for it
        return Note((height, width), 1, None, "")
    orientation = 1 if source.format == "TIFF" else exif.get(ExifTags.Base.Orientation, 1)
    names = exif.get(ExifTags.Base.Make), exif.get(ExifTags.Base.Model), detail.get(ExifTags.Base.BodySerialNumber)
    camera = " ".join(cells.printable(str(name)) for name in names if name)[:CAMERA].strip()
    taken_at = _time(detail.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime))
    return Note((height, width), orientation if orientation in range(1, 9) else 1, taken_at, camera)


def _time(text: object) -> datetime.datetime | None:
    """The time in EXIF's spelling, "2015:08:01 10:20:30"."""
    try:
        return datetime.datetime.strptime(str(text).strip("\0 ")[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
