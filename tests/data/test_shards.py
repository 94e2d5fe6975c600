"""Shards leave no row out, and do none twice."""

import itertools

import pytest

from whale_jax.data.shards import Shard, folders, number, remove
from whale_jax.errors import InputError


@pytest.mark.parametrize(("count", "shards"), [(1, 1), (7, 1), (7, 3), (8, 8), (1_000_003, 97)])
def test_every_row_is_in_one_shard_and_they_are_as_large_as_each_other(count, shards):
    rows = [range(count)[Shard(i, shards).rows(count)] for i in range(shards)]
    assert list(itertools.chain(*rows)) == list(range(count))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


def test_more_shards_than_rows_are_refused():
    with pytest.raises(InputError, match="3 photos cannot be dealt out to 4 shards"):
        Shard(0, 4).rows(3)


def test_a_shard_is_named_by_a_fraction():
    assert Shard.read("3/8") == Shard(3, 8)


@pytest.mark.parametrize("text", ["", "3", "8/8", "-1/8", "a/8", "3/", "1/2/3", "0/0"])
def test_what_names_no_shard_is_refused(text):
    with pytest.raises(InputError, match="is no shard"):
        Shard.read(text)


def test_all_of_as_many_as_there_were_meant_to_be_are_put_together_in_order(tmp_path):
    assert (number(tmp_path), folders(tmp_path)) == (0, [])
    Shard(10, 11).folder(tmp_path).mkdir(parents=True)
    assert number(tmp_path) == 11
    assert [folder.name for folder in folders(tmp_path)] == [f"{i}_of_11" for i in range(11)]
    Shard(1, 2).folder(tmp_path).mkdir()
    with pytest.raises(InputError, match="dealt out into 11 and into 2: delete some"):
        number(tmp_path)
    remove(tmp_path)
    assert number(tmp_path) == 0
