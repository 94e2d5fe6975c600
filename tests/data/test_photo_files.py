"""Photos of every kind are decoded to the pixels that were stored."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from whale_jax.data import cells, check, photo_files, render
from whale_jax.data.catalogue import Photo

PIXELS = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8).repeat(4, 0).repeat(4, 1)


def file_of(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def checked(content):
    photo = Photo("p", "", np.zeros((2, 2)), np.zeros(4), "", 0, {})
    return check.decode(lambda name: content, photo)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP", "HEIF", "JPEG", "MPO"])
def test_every_kind_is_checked_and_decoded(kind):
    options = {"WEBP": {"lossless": True}, "HEIF": {"quality": -1}, "JPEG": {"quality": 100, "subsampling": 0}}
    options["MPO"] = options["JPEG"]
    content = file_of(Image.fromarray(PIXELS), kind, **options.get(kind, {}))
    row = checked(content)
    assert (row.problem, row.size, row.blank, row.cut) == ("", (160, 240), False, False)
    difference = np.abs(render.decode(content).astype(int) - PIXELS)
    assert difference.mean() < 3


def test_sixteen_bits_keep_the_upper_eight():
    deep = (PIXELS[..., 0].astype(np.uint16) << 8) + 255
    decoded = render.decode(file_of(Image.fromarray(deep), "PNG"))
    assert np.abs(decoded[..., 1].astype(int) - PIXELS[..., 0]).max() <= 1


def test_transparent_parts_are_white():
    layer = np.dstack([PIXELS, np.zeros((160, 240, 1), np.uint8)])
    assert (render.decode(file_of(Image.fromarray(layer), "PNG")) == 255).all()


def test_a_cut_file_of_another_kind_is_found():
    content = file_of(Image.fromarray(PIXELS), "PNG")
    assert "cannot be decoded" in checked(content[: len(content) // 2]).problem
    assert "not a picture of a known kind" in checked(b"text").problem


def test_the_name_of_a_camera_can_be_part_of_a_name():
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "NIKON\r\n", f"D\x01{'8' * 300}"
    with Image.open(io.BytesIO(file_of(Image.fromarray(PIXELS), "JPEG", exif=exif))) as image:
        camera = photo_files.note(image).camera
    assert camera.startswith("NIKON D 888")
    assert not cells.flaw(f"2026-06-01 12:30:00 {camera}")


@pytest.mark.parametrize(("value", "orientation"), [(0, 1), (9, 1), (6, 6), (None, 1)])
def test_orientations_that_do_not_exist_are_none(value, orientation):
    exif = Image.Exif()
    if value is not None:
        exif[0x0112] = value
    with Image.open(io.BytesIO(file_of(Image.fromarray(PIXELS), "JPEG", exif=exif))) as image:
        assert photo_files.note(image).orientation == orientation


def test_a_tiff_is_read_as_viewers_show_it():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = file_of(Image.fromarray(PIXELS), "TIFF", exif=exif)
    with photo_files.open_image(content) as image:
        note = photo_files.note(image)
    assert (note.size, note.orientation) == ((240, 160), 1)
    np.testing.assert_array_equal(render.decode(content), np.rot90(PIXELS, -1))
