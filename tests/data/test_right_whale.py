"""The packaged dataset gives back the photos byte for byte, and a build either completes or leaves nothing."""

import errno
import io
import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tests.data.catalogues import SIZE, catalogue, jpeg
from whale_jax.data import check, columns, records, render, right_whale
from whale_jax.data.catalogue import Photo
from whale_jax.runtime import errors


def test_round_trip(tmp_path, files):
    imported = catalogue(tmp_path, files, points=[[1.5, 2], [np.nan, np.nan]], box=[3, 4, 5, 6.25])
    assert right_whale.build(imported, tmp_path) == ()
    photos = right_whale.load(tmp_path)
    assert photos.name.tolist() == sorted(files)
    assert photos.whale.tolist() == [photo.whale for photo in imported.photos]
    assert photos.whales == ("whale_2", "whale_0")
    assert photos.label.tolist() == [1, -1, 0, -1, 1, -1, 0]
    assert photos.encounter.tolist() == ["May"] + [""] * 6
    np.testing.assert_array_equal(photos.points, [photo.points for photo in imported.photos])
    np.testing.assert_array_equal(photos.box, [photo.box for photo in imported.photos])
    np.testing.assert_array_equal(photos.size, [SIZE] * len(files))
    assert (photos.label.dtype, photos.size.dtype, photos.points.dtype) == (np.int32, np.int32, np.float32)
    for row, name in enumerate(photos.name):
        assert photos.jpeg(row) == files[name]


def test_records_say_what_the_columns_say(tmp_path, files):
    right_whale.build(catalogue(tmp_path, files, points=[[1, 2], [3, np.nan]]), tmp_path)
    photos = right_whale.load(tmp_path)
    builder = tfds.builder_from_directory(next(tmp_path.glob("right_whale/*")))
    records = builder.as_data_source("part_0000", decoders={"image": tfds.decode.SkipDecoding()})
    for row, record in enumerate(records):
        for key in ("name", "whale", "encounter"):
            assert record[key].decode() == getattr(photos, key)[row]
        for key in ("points", "box", "size"):
            np.testing.assert_array_equal(record[key], getattr(photos, key)[row])


@pytest.mark.parametrize("checksum", ["crc32", "sha256"])
def test_a_photo_that_is_not_the_one_imported_is_named(tmp_path, files, checksum):
    """By the checksum of today's datasets, and by that of those from before."""
    right_whale.build(catalogue(tmp_path, files), tmp_path)
    [path] = tmp_path.rglob(columns.FILE)
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files if key not in {"crc32", "sha256"} - {checksum}}
    arrays[checksum][2] ^= 1
    np.savez(path, **arrays)
    photos = right_whale.load(tmp_path)
    assert photos.jpeg(1) == files[photos.name[1]]
    with pytest.raises(errors.InputError, match=rf"{photos.name[2]} cannot be read .*not the photo that was imported"):
        photos.jpeg(2)


def test_parts_are_joined_in_order_and_read_by_many_threads(tmp_path, files, monkeypatch):
    monkeypatch.setattr(records, "PART", 2 * len(files["w_1.jpg"]))
    right_whale.build(catalogue(tmp_path, files), tmp_path)
    assert len({path.name.split(".")[0] for path in tmp_path.rglob("*array_record*")}) > 2
    photos = right_whale.load(tmp_path)
    rows = np.random.default_rng(0).integers(0, len(files), 300)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(photos.jpeg, rows)) == [files[photos.name[row]] for row in rows]


def test_digest_depends_on_every_byte_and_annotation_alone(tmp_path, files):
    changed = bytearray(files["w_3.jpg"])
    changed[-20] ^= 1
    same = catalogue(tmp_path, files)
    variants = [
        same,
        same,
        catalogue(tmp_path, files | {"w_3.jpg": bytes(changed)}),
        catalogue(tmp_path, files, points=[[1, 2], [3, 4]]),
        catalogue(tmp_path, files, box=[1, 2, 3, 4]),
        same._replace(photos=(same.photos[0]._replace(whale="whale_2"), *same.photos[1:])),
        same._replace(whales=("whale_0", "whale_2")),
    ]
    digests = []
    for i, variant in enumerate(variants):
        right_whale.build(variant, tmp_path / str(i))
        digests.append(right_whale.load(tmp_path / str(i)).digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == len(digests) - 1


def test_a_complete_dataset_is_kept_and_another_refused(tmp_path, files):
    right_whale.build(catalogue(tmp_path, files), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert right_whale.build(catalogue(tmp_path, files), tmp_path) == ()
    with pytest.raises(errors.InputError, match="dataset of other photos: delete it"):
        right_whale.build(catalogue(tmp_path, files, box=[1, 2, 3, 4]), tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_nothing_to_load(tmp_path):
    with pytest.raises(errors.InputError, match="no photos were imported"):
        right_whale.load(tmp_path)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("length", [0, 1, 100, 0.3, 0.9])
def test_a_truncated_photo_is_found(length, progressive):
    whole = jpeg(0, size=(200, 300), progressive=progressive)
    photo = Photo("w_1.jpg", "", np.zeros((2, 2)), np.zeros(4), "", 0, {"whale": "train.csv line 7"})
    assert check.decode(lambda name: whole, photo).problem == ""
    cut = whole[: int(length * len(whole)) if isinstance(length, float) else length]
    assert check.decode(lambda name: cut, photo).problem.startswith("train.csv line 7: w_1.jpg cannot be decoded (")


def test_a_photo_that_lacks_its_end_marker_is_read_as_with_it():
    whole = jpeg(0, size=(200, 300))
    photo = Photo("w_1.jpg", "", np.zeros((2, 2)), np.zeros(4), "", 0, {})
    checked = check.decode(lambda name: whole[:-2], photo)
    assert (checked.problem, checked.cut, checked.blank) == ("", True, False)
    assert not check.decode(lambda name: whole, photo).cut
    np.testing.assert_array_equal(render.decode(whole[:-2]), render.decode(whole))


def sea(progressive):
    """A photo as the sea gives them: detail everywhere."""
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:400, :600]
    pixels = 90 + 30 * np.sin(x / 9) * np.cos(y / 5) + rng.normal(0, 12, x.shape)
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", progressive=progressive)
    return bytearray(file.getvalue())


def in_header(data, *, height, width):
    """A photo that says another size than it has."""
    frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)


@pytest.mark.parametrize("progressive", [False, True])
def test_pictures_with_blank_parts(progressive):
    whole, zeroed, higher, wider = (sea(progressive) for _ in range(4))
    zeroed[len(zeroed) // 2 : len(zeroed) * 6 // 10] = bytes(len(zeroed) * 6 // 10 - len(zeroed) // 2)
    in_header(higher, height=500, width=600)
    in_header(wider, height=400, width=700)
    black = io.BytesIO()
    Image.new("RGB", (600, 400)).save(black, "JPEG", progressive=progressive)
    photo = Photo("w_1.jpg", "", np.zeros((2, 2)), np.zeros(4), "", 0, {})
    for data, blank in ((whole, False), (zeroed, True), (higher, True), (wider, True), (black.getvalue(), True)):
        checked = check.decode(lambda name, data=data: bytes(data), photo)
        assert (checked.problem, checked.blank) == ("", blank)
    note = b"\xff\xfe\x01\x00" + bytes(254)  # a comment of zeros, and zeros behind the picture, are no damage
    assert not check.decode(lambda name: bytes(whole[:2]) + note + bytes(whole[2:]) + bytes(500), photo).blank


def png():
    file = io.BytesIO()
    Image.new("RGB", SIZE).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("data", [b"", b"no picture", jpeg(0)[:-600], png()[:-60]], ids=["empty", "text", "cut", "png"])
def test_an_unreadable_photo_is_refused_or_left_out(tmp_path, files, data):
    bad = catalogue(tmp_path, files | {"w_11.jpg": data})
    with pytest.raises(errors.InputError, match=r"line 4: w_11.jpg cannot be decoded .*skip_unreadable=True"):
        right_whale.build(bad, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    for _ in range(2):  # the second time from what is there
        (skipped,) = right_whale.build(bad, tmp_path / "out", skip_unreadable=True)
        assert skipped.startswith("train.csv line 4: w_11.jpg cannot be decoded (")
    photos = right_whale.load(tmp_path / "out")
    assert photos.name.tolist() == sorted(files.keys() - {"w_11.jpg"})
    assert [photos.jpeg(row) for row in range(6)] == [files[name] for name in photos.name]


@pytest.mark.parametrize("skip", [False, True])
def test_no_readable_photo_at_all(tmp_path, skip):
    with pytest.raises(errors.InputError, match=r"w_\d.jpg cannot be decoded"):
        right_whale.build(catalogue(tmp_path, {"w_1.jpg": b"", "w_2.jpg": b"?"}), tmp_path, skip_unreadable=skip)


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ({"points": [[1, 2], [31, 25]]}, "points2.json entry 1: the blowhead of w_1.jpg"),
        ({"points": [[-2, 2], [3, 4]]}, "points1.json entry 1: the bonnet of w_1.jpg"),
        ({"box": [20, 2, 15, 5]}, "boxes.csv line 9: the box of w_1.jpg"),
        ({"box": [2, -3, 9, 9]}, "boxes.csv line 9: the box of w_1.jpg"),
    ],
)
def test_annotations_outside_the_photo(tmp_path, files, marks, message):
    outside = catalogue(tmp_path, files, **marks)
    with pytest.raises(errors.InputError, match=f"{message}.* outside the photo of 32x24 pixels"):
        right_whale.build(outside, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    right_whale.build(outside, tmp_path / "out", outside=0.2)


def test_many_problems_stop_the_import_early(tmp_path):
    read = []
    files = {f"w_{i:03d}.jpg": b"" for i in range(300)}
    bad = catalogue(tmp_path, files)._replace(read_bytes=lambda name: read.append(name) or b"")
    with pytest.raises(errors.InputError) as caught:
        right_whale.build(bad, tmp_path)
    assert len(str(caught.value).splitlines()) == 10
    assert len(read) < 300


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def no_space_in_array_record(*_, **__):
    raise RuntimeError(
        f"Failed to finalize writing of split: write() failed: {os.strerror(errno.ENOSPC)}; at byte 6291"
    )


@pytest.mark.parametrize(
    ("function", "failure"),
    [
        ("whale_jax.data.right_whale.RightWhale.download_and_prepare", no_space_in_array_record),
        ("numpy.savez", no_space),
        ("os.replace", no_space),
        ("shutil.disk_usage", lambda folder: SimpleNamespace(free=10)),
    ],
)
def test_a_full_disk(tmp_path, files, monkeypatch, function, failure):
    with monkeypatch.context() as patched:
        patched.setattr(function, failure)
        with pytest.raises(errors.InputError, match=f"no space left for {tmp_path}: make room"):
            right_whale.build(catalogue(tmp_path, files), tmp_path)
    assert list(tmp_path.iterdir()) == []
    right_whale.build(catalogue(tmp_path, files), tmp_path)


def test_an_import_that_was_killed_is_done_again(tmp_path, files):
    (tmp_path / "incomplete" / "right_whale" / "1.0.0").mkdir(parents=True)
    (tmp_path / "incomplete" / "right_whale" / "1.0.0" / "features.json").write_text("half")
    right_whale.build(catalogue(tmp_path, files), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["right_whale"]
    assert len(right_whale.load(tmp_path).name) == len(files)


def test_other_failures_leave_nothing_either(tmp_path, files):
    def broken(name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        right_whale.build(catalogue(tmp_path, files)._replace(read_bytes=broken), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_where_nobody_drew_boxes_they_are_around_the_points(tmp_path, files):
    right_whale.build(catalogue(tmp_path, files, points=[[20, 12], [10, 12]]), tmp_path)
    box = right_whale.load(tmp_path).box
    np.testing.assert_allclose(box[0], [7, 7.4, 15.6, 9.2], rtol=1e-5)  # 0.3 of a head behind, 0.26 ahead, 0.46 aside
    assert np.isnan(box[1:]).all()


def test_neither_tensorflow_nor_jax_is_imported(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.jpg").write_bytes(jpeg(i))
    program = f"""
import pathlib, sys
from whale_jax.data import annotations, right_whale
every = annotations.read({str(tmp_path)!r})
right_whale.build(every, {str(tmp_path / "shard")!r})
right_whale.join(every, {str(tmp_path / "out")!r}, shards=[(every, pathlib.Path({str(tmp_path / "shard")!r}))])
assert len(right_whale.load({str(tmp_path / "out")!r}).jpeg(2)) == {len(jpeg(2))}
assert not {{"tensorflow", "jax"}} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
