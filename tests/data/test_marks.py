"""Points and boxes in other units, of turned photos and swapped are converted, asked about or pointed at."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from whale_jax.data import annotations, doubts, marks
from whale_jax.data.photo_files import Note
from whale_jax.data.rows import Settings
from whale_jax.runtime.errors import InputError


def heads(count, *, size=(683, 1024), seed=0):
    """(count, 2, 2) points inside photos of this (height, width), and boxes around them."""
    rng = np.random.default_rng(seed)
    bonnet = rng.uniform((0.1 * size[1], 0.1 * size[0]), (0.9 * size[1], 0.9 * size[0]), (count, 2))
    points = np.stack([bonnet, bonnet + rng.uniform(-50, 50, (count, 2))], axis=1)
    return points, np.concatenate([points.min(1) - 9, np.ptp(points, axis=1) + 18], axis=1)


def in_pixels(points, boxes, *, size=(683, 1024), exif=1, drawn_on=None, **settings):
    notes = [Note(size, exif, None, "")] * len(points)
    drawn = np.full((len(points), 2), np.nan) if drawn_on is None else np.array([drawn_on] * len(points))
    names = [f"{i}.jpg" for i in range(len(points))]
    return marks.in_pixels(points, boxes, names=names, notes=notes, drawn_on=drawn, settings=Settings(**settings))


@pytest.mark.parametrize(("unit", "whole"), [("percent", 100), ("fraction", 1)])
def test_other_units_are_asked_about_and_converted(unit, whole):
    points, boxes = heads(6)
    side = np.array([1024, 683])
    shares = points / side * whole, boxes / np.tile(side, 2) * whole
    with pytest.raises(
        InputError, match=f"like a {unit} of the photo.* --config.units={unit} or --config.units=pixels"
    ):
        in_pixels(*shares)
    converted = in_pixels(*shares, units=unit)
    np.testing.assert_allclose(converted[0], points, rtol=1e-5)
    np.testing.assert_allclose(converted[1], boxes, rtol=1e-5)
    np.testing.assert_allclose(in_pixels(*shares, units="pixels")[0], shares[0], rtol=1e-5)


def test_marks_in_percent_of_a_photo_that_cannot_be_read_are_unknown():
    points, boxes = heads(3)
    points, boxes, _ = in_pixels(points / 10, boxes / 10, size=(0, 0), units="percent")
    assert np.isnan(points).all()
    assert np.isnan(boxes).all()


@pytest.mark.parametrize("count", [1, 50])
def test_pixels_near_the_corner_are_pixels_in_one_photo_and_in_small_ones(count):
    size = (200, 320) if count == 1 else (128, 160)
    points = np.array([[(100.0, 50), (60, 60)]] * count)
    np.testing.assert_array_equal(in_pixels(points, np.full((count, 4), np.nan), size=size)[0], points)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_of_a_photo_as_viewed_are_those_of_the_stored_one(orientation):
    """Against Pillow, which turns the pixels: a dot is looked up where it is stored and seen."""
    stored = np.zeros((30, 50), np.uint8)
    stored[7, 12] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(stored)
    image.info["exif"] = exif.tobytes()
    image.getexif()[0x0112] = orientation
    shown = np.asarray(ImageOps.exif_transpose(image))
    row, column = np.argwhere(shown == 255)[0]
    point = doubts.stored(np.array([column, row]), (30, 50), orientation=orientation)
    np.testing.assert_array_equal(point, (12, 7))


def test_marks_that_fit_only_the_turned_photo_are_asked_about():
    points, boxes = heads(5, size=(1024, 683))  # higher than wide, where the stored photo is wider than high
    points[0], boxes[0] = [(300, 900), (310, 950)], (280, 880, 60, 90)
    with pytest.raises(InputError, match=r"such as 0.jpg, are of the photo as viewers turn it"):
        in_pixels(points, boxes, exif=6)
    turned, turned_boxes, _ = in_pixels(points, boxes, exif=6, orientation="viewed")
    np.testing.assert_allclose(turned[0], [(900, 682 - 300), (950, 682 - 310)])
    np.testing.assert_allclose(turned_boxes[0], (880, 682 - 340, 90, 60))


def test_swapped_points_of_a_whole_table_are_pointed_at():
    rng = np.random.default_rng(0)
    middle = np.array([512, 341.5])
    bonnet = middle + rng.normal(0, 150, (60, 2))
    points = np.stack([bonnet, middle + 0.6 * (bonnet - middle) + rng.normal(0, 20, (60, 2))], axis=1)
    boxes = np.full((60, 4), np.nan)
    assert in_pixels(points, boxes)[2] == []
    assert "are they swapped?" in in_pixels(points[:, ::-1], boxes)[2][0]


def test_real_points_are_not_called_swapped(whales):
    catalogue = annotations.read(whales / "annotations", absent=True)
    points = np.stack([photo.points for photo in catalogue.photos])
    boxes, unknown = np.stack([photo.box for photo in catalogue.photos]), np.full((len(points), 4), np.nan)
    sizes = np.tile((2048, 3072), (len(points), 1))
    for marks_around, number in ((unknown, 100), (boxes, 30)):
        for rows in (slice(None), slice(number)):
            assert not doubts.seem_swapped(points[rows], marks_around[rows], sizes=sizes[rows])
            assert doubts.seem_swapped(points[rows, ::-1], marks_around[rows], sizes=sizes[rows])


def test_few_boxes_are_enough_to_see_that_points_are_swapped():
    points, _ = heads(8)
    boxes = annotations.around(points)
    sizes = np.tile((683, 1024), (8, 1))
    assert not doubts.seem_swapped(points, boxes, sizes=sizes)
    assert doubts.seem_swapped(points[:, ::-1], boxes, sizes=sizes)
