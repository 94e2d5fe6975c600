"""A dataset that was packaged in shards is the one of all photos, and packaging leaves nothing else behind."""

import errno
import itertools
import os
import shutil
import tempfile

import numpy as np
import pytest

from tests.data.catalogues import catalogue
from whale_jax.data import records, right_whale
from whale_jax.runtime import errors


@pytest.mark.parametrize("cuts", [(0, 7), (0, 1, 7), (0, 2, 3, 5, 7)])
def test_a_dataset_of_shards_is_that_of_all_photos(tmp_path, files, monkeypatch, cuts):
    monkeypatch.setattr(records, "PART", 2 * len(files["w_1.jpg"]))
    files["w_2.jpg"] = b"no picture"
    whole = catalogue(tmp_path, files, points=[[1.5, 2], [np.nan, np.nan]], box=[3, 4, 5, 6.25])
    skipped = right_whale.build(whole, tmp_path / "whole", skip_unreadable=True)
    members = [whole._replace(photos=whole.photos[slice(*rows)]) for rows in itertools.pairwise(cuts)]
    shards = [(photos, tmp_path / f"{i}") for i, photos in enumerate(members)]
    for photos, shard in shards:
        right_whale.build(photos, shard, skip_unreadable=True)
    for _ in range(2):  # the second time from what is there
        assert right_whale.join(whole, tmp_path / "joined", shards=shards) == skipped
    expected, joined = (right_whale.load(tmp_path / name) for name in ("whole", "joined"))
    assert right_whale.unchanged(whole, tmp_path / "joined")
    for name, column, joined_column in zip(expected._fields, expected, joined, strict=True):
        if name != "jpeg":
            np.testing.assert_array_equal(column, joined_column)
            assert np.asarray(column).dtype == np.asarray(joined_column).dtype
    shutil.rmtree(shards[0][1])
    assert [joined.jpeg(row) for row in range(len(joined.name))] == [files[name] for name in joined.name]


def test_nothing_is_left_among_temporary_files(tmp_path, files, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    right_whale.build(catalogue(tmp_path, files), tmp_path / "packaged")
    assert not [*(tmp_path / "temporary").iterdir()]


def test_shards_of_other_photos_are_refused(tmp_path, files):
    whole = catalogue(tmp_path, files)
    right_whale.build(whole, tmp_path / "shard")
    changed = whole._replace(photos=whole.photos[1:])
    with pytest.raises(errors.InputError, match=r"shard holds other photos than are there now: delete "):
        right_whale.join(changed, tmp_path / "joined", shards=[(changed, tmp_path / "shard")])
    assert not (tmp_path / "joined").exists()


def test_a_disk_that_knows_no_links_gets_copies(tmp_path, files, monkeypatch):
    whole = catalogue(tmp_path, files)
    right_whale.build(whole, tmp_path / "shard")

    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("os.link", refuse)
    right_whale.join(whole, tmp_path / "joined", shards=[(whole, tmp_path / "shard")])
    assert right_whale.load(tmp_path / "joined").jpeg(3) == files[sorted(files)[3]]
