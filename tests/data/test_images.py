import functools
import io
import shutil
import tracemalloc
from collections import namedtuple

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import transform

from whale_jax import geometry
from whale_jax.data import images, render
from whale_jax.data.right_whale import Photos
from whale_jax.runtime import threads
from whale_jax.runtime.errors import InputError


def as_jpeg(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, subsampling=0, **options)
    return file.getvalue()


def as_photos(files, sizes):
    n = len(files)
    name, none = np.array([f"w_{i}.jpg" for i in range(n)]), np.full(n, "")
    points, box = np.full((n, 2, 2), np.nan, np.float32), np.full((n, 4), np.nan, np.float32)
    sizes = np.array(sizes, np.int32)
    return Photos(name, none, np.full(n, -1, np.int32), points, box, none, sizes, (), "", list(files).__getitem__)


@functools.cache
def smooth(seed, height, width, sigma):
    """Clouds of `sigma` pixels, mostly grey; not to be written on."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 4))
    noise = ndimage.gaussian_filter(noise, (sigma, sigma, 0))
    noise = noise[..., :1] + 0.3 * noise[..., 1:]
    return np.clip(128 + 35 * noise / noise.std(), 0, 255).astype(np.uint8)


def stored(pixels):
    """The pixels as JPEG gives them back."""
    return np.asarray(Image.open(io.BytesIO(as_jpeg(pixels))), float)


def turned(photo_size, size, angle, x_scale, y_scale):
    """About the middle of the photo, onto the middle of the view."""
    (cx, cy), (vx, vy) = geometry.middle(photo_size), geometry.middle(size)
    moves = geometry.translation(-cx, -cy), geometry.rotation(angle), geometry.scaling(x_scale, y_scale)
    return np.asarray(geometry.compose(*moves, geometry.translation(vx, vy)))


def rendered(folder, pixels, matrices, size):
    photos = as_photos([as_jpeg(p) for p in pixels], [p.shape[:2] for p in pixels])
    render.write(photos, np.asarray(matrices), size=size, path=folder / "images.npy")
    return np.load(folder / "images.npy")


@pytest.mark.parametrize(
    ("angle", "x_scale", "y_scale"),
    [(0.0, 1.0, 1.0), (0.7, 0.9, 0.9), (-2.4, 0.41, 0.41), (1.1, 0.23, 0.3), (0.3, -1.7, 1.7), (0.0, 0.5, 0.25)],
)
def test_equals_scikit_image_on_the_full_photo(tmp_path, angle, x_scale, y_scale):
    pixels, size = smooth(0, 500, 720, sigma=12), (96, 128)
    matrix = turned((500, 720), size, angle, x_scale, y_scale)
    views = rendered(tmp_path, [pixels], [matrix], size)
    expected = transform.warp(
        stored(pixels), np.linalg.inv(matrix), output_shape=size, mode="edge", preserve_range=True
    )
    assert np.abs(views[0] - expected).max() < 5
    assert np.abs(views[0] - expected).mean() < 0.8


def test_a_dot_is_found_where_its_matrix_says(tmp_path):
    rng, size = np.random.default_rng(1), (120, 160)
    pixels, matrices, dots = [], [], []
    y, x = np.mgrid[:1000, :1500]
    for _ in range(6):
        dot = rng.uniform((400, 250), (1100, 750))
        blob = 220 * np.exp(-((x - dot[0]) ** 2 + (y - dot[1]) ** 2) / (2 * 14**2))
        pixels.append(np.repeat(blob[..., None], 3, axis=2).astype(np.uint8))
        angle, scale = rng.uniform(-3, 3), rng.uniform(0.2, 0.9)
        spot = rng.uniform(45, 75, 2)
        moves = geometry.translation(*-dot), geometry.rotation(angle), geometry.scaling(scale, 0.8 * scale)
        matrices.append(geometry.compose(*moves, geometry.translation(*spot)))
        dots.append(dot)
    views = rendered(tmp_path, pixels, matrices, size)
    for view, matrix, dot in zip(views, matrices, dots, strict=True):
        centre = ndimage.center_of_mass(np.maximum(view[..., 0].astype(float) - 20, 0))[::-1]
        expected = geometry.move_points(matrix, jnp.asarray(dot)[None])[0]
        np.testing.assert_allclose(centre, expected, atol=0.2)


@pytest.mark.parametrize("size", [(64, 64), (50, 120), (301, 299)])
def test_whole_photo_equals_pillows_resize(tmp_path, size):
    pixels = [smooth(2, 700, 1024, sigma=12), smooth(3, 640, 480, sigma=12)]
    matrices = [geometry.resize(p.shape[:2], size) for p in pixels]
    views = rendered(tmp_path, pixels, matrices, size)
    for view, photo in zip(views, pixels, strict=True):
        expected = Image.fromarray(stored(photo).astype(np.uint8)).resize(size[::-1], Image.Resampling.HAMMING)
        assert np.abs(view - np.asarray(expected, float)).mean() < 2


def test_fine_detail_does_not_alias(tmp_path):
    checks = np.indices((512, 768)).sum(0) % 2 * 255
    pixels = np.repeat(checks[..., None], 3, axis=2).astype(np.uint8)
    views = rendered(tmp_path, [pixels], [turned((512, 768), (64, 64), 0.4, 0.2, 0.2)], (64, 64))
    assert np.abs(views[0].astype(float) - 127.5).max() < 12


def test_beyond_the_rim_the_edge_is_repeated(tmp_path):
    pixels, size = smooth(4, 200, 300, sigma=8), (80, 80)
    shifts = [(40, 30), (-270, 0), (0, -180), (500, 500)]  # half off each rim, and all of it
    views = rendered(tmp_path, [pixels] * 4, [geometry.translation(*shift) for shift in shifts], size)
    for view, (x, y) in zip(views, shifts, strict=True):
        rows = np.clip(np.arange(80) - y, 0, 199)
        columns = np.clip(np.arange(80) - x, 0, 299)
        np.testing.assert_array_equal(view, stored(pixels)[rows][:, columns])


def test_a_view_larger_than_its_photo(tmp_path):
    pixels = smooth(5, 40, 60, sigma=6)
    views = rendered(tmp_path, [pixels], [geometry.translation(20, 10)], (64, 96))
    rows, columns = np.clip(np.arange(64) - 10, 0, 39), np.clip(np.arange(96) - 20, 0, 59)
    np.testing.assert_array_equal(views[0], stored(pixels)[rows][:, columns])


def test_a_view_is_cut_again_with_other_pixels(tmp_path):
    pixels, size = [smooth(seed, 300, 400, sigma=16) for seed in range(3)], (40, 80)
    photos = as_photos([as_jpeg(p) for p in pixels], [p.shape[:2] for p in pixels])
    matrices = np.stack([turned((300, 400), size, angle, 0.2, 0.2) for angle in (0.0, 1.0, -0.5)])
    view = images.save(tmp_path, photos, matrices=matrices, size=size)
    larger = images.enlarge(photos, view, rows=np.array([2, 0]), height=120)
    assert larger.shape == (2, 120, 240, 3)
    shrunk = larger.reshape(2, 40, 3, 80, 3, 3).mean((2, 4))  # a pixel of the view is three by three of these
    assert np.abs(shrunk - view.images[[2, 0]]).mean() < 1
    fine = turned((300, 400), (120, 240), -0.5, 0.6, 0.6)
    expected = transform.warp(
        stored(pixels[2]), np.linalg.inv(fine), output_shape=(120, 240), mode="edge", preserve_range=True
    )
    assert np.abs(larger[0] - expected).mean() < 0.8


def test_no_matrix_gives_black(tmp_path):
    pixels = [smooth(seed, 60, 80, sigma=4) for seed in range(4)]
    matrices = np.array(geometry.resize(np.array([[60] * 4, [80] * 4]), (32, 32)))
    matrices[1] = np.nan
    matrices[2] = 0
    views = rendered(tmp_path, pixels, matrices, (32, 32))
    assert (views[1:3] == 0).all()
    assert (views[[0, 3]].std((1, 2, 3)) > 10).all()


def test_same_bytes_for_any_number_of_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(render, "BATCH_PIXELS", 4 * 48 * 48)
    pixels = [smooth(seed, 90 + seed, 120, sigma=2) for seed in range(11)]
    matrices = [turned(p.shape[:2], (48, 48), seed, 0.6, 0.7) for seed, p in enumerate(pixels)]
    results = []
    for cores in (1, 2, 7):
        monkeypatch.setattr(threads, "cores", lambda cores=cores: cores)
        (tmp_path / str(cores)).mkdir()
        results.append(rendered(tmp_path / str(cores), pixels, matrices, (48, 48)))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_a_view_of_shards_is_that_of_all_photos(tmp_path, monkeypatch, angle):
    monkeypatch.setattr(render, "BATCH_PIXELS", 4 * 48 * 48)
    pixels = [smooth(seed, 90 + 10 * seed, 120, sigma=2) for seed in range(7)]
    photos = as_photos([as_jpeg(p) for p in pixels], [p.shape[:2] for p in pixels])
    matrices = np.stack([turned(p.shape[:2], (48, 48), angle, 0.6, 0.7) for p in pixels])
    matrices[4:5] = np.nan
    shards = []
    for i, rows in enumerate((slice(0, 3), slice(3, 5), slice(5, 7))):
        shards.append(tmp_path / f"{i}.npy")
        render.write(photos, matrices, size=(48, 48), path=shards[-1], rows=rows)
    joined = images.save(tmp_path / "joined", photos, matrices=matrices, size=(48, 48), shards=shards)
    whole = images.save(tmp_path / "whole", photos, matrices=matrices, size=(48, 48))
    np.testing.assert_array_equal(joined.images, whole.images)
    np.testing.assert_array_equal(joined.pictured, [True] * 4 + [False] + [True] * 2)


def test_photos_need_not_fit_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(render, "BATCH_PIXELS", 4 * 128 * 128)
    monkeypatch.setattr(threads, "cores", lambda: 2)
    jpeg, n, size = as_jpeg(smooth(6, 200, 200, sigma=3)), 200, (128, 128)
    photos = as_photos([jpeg] * n, [(200, 200)] * n)
    matrices = np.tile(turned((200, 200), size, 0.5, 0.7, 0.7), (n, 1, 1))
    render.write(photos, matrices[:], size=size, path=tmp_path / "warm.npy")
    tracemalloc.start()
    view = images.save(tmp_path / "view", photos, matrices=matrices, size=size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(view.images, np.memmap)
    assert peak < view.images.nbytes / 3


def test_an_unreadable_photo_is_named_and_leaves_nothing_half_written(tmp_path):
    jpeg = as_jpeg(smooth(7, 60, 80, sigma=3))
    matrices, sizes = np.tile(geometry.resize((60, 80), (32, 32)), (5, 1, 1)), [(60, 80)] * 5
    broken = as_photos([jpeg, jpeg, jpeg, jpeg[:400], jpeg], sizes)
    with pytest.raises(InputError, match=r"w_3\.jpg"):
        images.save(tmp_path, broken, matrices=matrices, size=(32, 32))
    assert [path.name for path in tmp_path.iterdir()] == ["matrices.npy"]
    with pytest.raises(InputError, match=r"images.npy is not there: run the stage"):
        images.load(tmp_path)
    images.save(tmp_path, as_photos([jpeg] * 5, sizes), matrices=matrices, size=(32, 32))
    assert images.load(tmp_path).images.shape == (5, 32, 32, 3)


def test_a_complete_view_is_left_and_another_refused(tmp_path):
    photos = as_photos([as_jpeg(smooth(8, 60, 80, sigma=3))], [(60, 80)])
    matrices = np.asarray(geometry.resize((60, 80), (32, 32)))[None]
    first = images.save(tmp_path, photos, matrices=matrices, size=(32, 32))
    modified = (tmp_path / "images.npy").stat().st_mtime_ns
    second = images.save(tmp_path, photos, matrices=matrices, size=(32, 32))
    assert (tmp_path / "images.npy").stat().st_mtime_ns == modified
    np.testing.assert_array_equal(first.matrices, second.matrices)
    for other, size in ((matrices + 1, (32, 32)), (matrices, (16, 32))):
        with pytest.raises(InputError, match="another view"):
            images.save(tmp_path, photos, matrices=other, size=size)
    with pytest.raises(InputError, match="exists"):
        render.write(photos, matrices, size=(32, 32), path=tmp_path / "images.npy")


def test_a_full_disk_is_seen_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")(10, 9, 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match="make room"):
        rendered(tmp_path, [smooth(9, 60, 80, sigma=3)], [np.eye(3)], (32, 32))
    assert not list(tmp_path.iterdir())


def test_a_window_is_a_part_of_the_whole():
    jpeg = as_jpeg(smooth(10, 333, 517, sigma=1))
    for scale in ((1, 1), (0.37, 0.37), (0.1, 0.6)):
        whole = render.decode(jpeg, scale)
        assert whole.shape[:2] == (round(333 * scale[1]), round(517 * scale[0]))
        part = render.decode(jpeg, scale, window=(7, 11, 40, 30))
        assert np.abs(part - whole[11:30, 7:40].astype(float)).max() <= 1


def test_nothing_is_enlarged():
    jpeg = as_jpeg(smooth(11, 30, 50, sigma=1))
    np.testing.assert_array_equal(render.decode(jpeg, (3, 2)), render.decode(jpeg))


def test_pixels_are_taken_as_stored():
    pixels = smooth(12, 40, 64, sigma=3)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees", which viewers obey
    np.testing.assert_array_equal(render.decode(as_jpeg(pixels, exif=exif)), render.decode(as_jpeg(pixels)))
    grey = render.decode(as_jpeg(pixels[..., 0]))
    assert grey.shape == (40, 64, 3)
    assert (grey == grey[..., :1]).all()


@pytest.mark.parametrize("data", [b"", b"not a picture at all", as_jpeg(np.zeros((90, 90, 3), np.uint8))[:500]])
def test_what_is_no_picture_is_said(data):
    with pytest.raises(InputError, match="not a picture"):
        render.decode(data)
