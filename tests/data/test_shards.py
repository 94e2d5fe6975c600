"""Shards leave no row out, and do none twice."""

import itertools

import pytest

from whale_jax.data.shards import Shard, folders, plan, remove
from whale_jax.runtime.errors import InputError


@pytest.mark.parametrize(("count", "shards"), [(1, 1), (7, 1), (7, 3), (8, 8), (1_000_003, 97)])
def test_every_row_is_in_one_shard_and_they_are_as_large_as_each_other(count, shards):
    rows = [range(count)[Shard(i, shards).rows(count)] for i in range(shards)]
    assert list(itertools.chain(*rows)) == list(range(count))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


def test_a_shard_is_named_by_a_fraction():
    assert Shard.read("3/8") == Shard(3, 8)


@pytest.mark.parametrize("text", ["", "3", "8/8", "-1/8", "a/8", "3/", "1/2/3", "0/0"])
def test_what_names_no_shard_is_refused(text):
    with pytest.raises(InputError, match="is no shard"):
        Shard.read(text)


def test_all_of_as_many_as_there_were_meant_to_be_are_put_together_in_order(tmp_path):
    assert plan(tmp_path) == folders(tmp_path, 20) == []
    Shard(10, 11).folder(tmp_path).mkdir(parents=True)
    assert plan(tmp_path) == [Shard(i, 11) for i in range(11)]
    assert [folder.name for _, folder in folders(tmp_path, 20)] == [f"{i}_of_11" for i in range(11)]
    rows = [range(4)[rows] for rows, _ in folders(tmp_path, 4)]  # some have none
    assert (len(rows), list(itertools.chain(*rows))) == (4, list(range(4)))
    Shard(1, 2).folder(tmp_path).mkdir()
    with pytest.raises(InputError, match="divided into 11 and into 2: delete some"):
        plan(tmp_path)
    remove(tmp_path)
    remove(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_shard_is_whole_when_it_says_so(tmp_path):
    shard = Shard(0, 2)
    shard.folder(tmp_path).mkdir(parents=True)
    assert not shard.is_complete(tmp_path)
    shard.finish(tmp_path)
    assert shard.is_complete(tmp_path)
