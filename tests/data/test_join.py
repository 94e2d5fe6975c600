"""A dataset that was packaged in shards is the one of all photos."""

import errno
import itertools
import os
import shutil

import numpy as np
import pytest

from tests.data.catalogues import catalogue
from whale_jax.data import records, right_whale
from whale_jax.runtime import errors


@pytest.mark.parametrize("cuts", [(0, 7), (0, 1, 7), (0, 2, 3, 5, 7)])
def test_a_dataset_of_shards_is_that_of_all_photos(tmp_path, files, monkeypatch, cuts):
    monkeypatch.setattr(records, "PART", 2 * len(files["w_1.jpg"]))
    files["w_2.jpg"] = b"no picture"
    every = catalogue(tmp_path, files, points=[[1.5, 2], [np.nan, np.nan]], box=[3, 4, 5, 6.25])
    skipped = right_whale.build(every, tmp_path / "whole", skip_unreadable=True)
    some = [every._replace(photos=every.photos[slice(*rows)]) for rows in itertools.pairwise(cuts)]
    shards = [(photos, tmp_path / f"{i}") for i, photos in enumerate(some)]
    for photos, shard in shards:
        right_whale.build(photos, shard, skip_unreadable=True)
    for _ in range(2):  # the second time from what is there
        assert right_whale.join(every, shards, tmp_path / "joined") == skipped
    one, other = (right_whale.load(tmp_path / name) for name in ("whole", "joined"))
    assert right_whale.unchanged(every, tmp_path / "joined")
    for name, mine, its in zip(one._fields, one, other, strict=True):
        if name != "jpeg":
            np.testing.assert_array_equal(mine, its)
            assert np.asarray(mine).dtype == np.asarray(its).dtype
    shutil.rmtree(shards[0][1])
    assert [other.jpeg(row) for row in range(len(other.name))] == [files[name] for name in other.name]


def test_shards_of_other_photos_are_refused(tmp_path, files):
    every = catalogue(tmp_path, files)
    right_whale.build(every, tmp_path / "shard")
    changed = every._replace(photos=every.photos[1:])
    with pytest.raises(errors.InputError, match=r"shard holds other photos than are there now: delete "):
        right_whale.join(changed, [(changed, tmp_path / "shard")], tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


def test_a_disk_that_knows_no_links_gets_copies(tmp_path, files, monkeypatch):
    every = catalogue(tmp_path, files)
    right_whale.build(every, tmp_path / "shard")

    def refuse(*_):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("os.link", refuse)
    right_whale.join(every, [(every, tmp_path / "shard")], tmp_path / "joined")
    assert right_whale.load(tmp_path / "joined").jpeg(3) == files[sorted(files)[3]]
