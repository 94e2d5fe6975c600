"""The order of training: every photo once an epoch, and one whale's photos side by side where that is asked for."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from whale_jax.data import loader
from whale_jax.runtime import hosts

LABEL = np.repeat(np.arange(5), [1, 2, 3, 4, 10])  # whales with so many photos
ROWS = np.flatnonzero(np.arange(len(LABEL)) != 7)  # one photo of whale 3 is held out


class Rows:
    """Examples that know their row and nothing else."""

    def __getitem__(self, rows):
        return np.asarray(rows)


def epoch(number, *, images_per_class, seed=0, batch=19):
    batches = loader.training(Rows(), ROWS, batch=batch, seed=seed, label=LABEL, images_per_class=images_per_class)
    return batches(number)


@pytest.mark.parametrize("images_per_class", [1, 2, 4])
def test_an_epoch_has_every_row_once_and_the_next_another_order(images_per_class):
    first, second = epoch(0, images_per_class=images_per_class), epoch(1, images_per_class=images_per_class)
    assert_array_equal(np.sort(first), ROWS)
    assert_array_equal(np.sort(second), ROWS)
    assert (first != second).any()
    assert (first != epoch(0, images_per_class=images_per_class, seed=1)).any()
    assert_array_equal(first, epoch(0, images_per_class=images_per_class))  # a function of the step alone


def test_batches_run_across_epochs():
    whole = np.concatenate([epoch(i, images_per_class=4) for i in range(3)])
    batches = loader.training(Rows(), ROWS, batch=8, seed=0, label=LABEL, images_per_class=4)
    assert_array_equal(np.concatenate([batches(step) for step in range(7)]), whole[:56])


@pytest.mark.parametrize("images_per_class", [2, 4])
def test_photos_of_a_whale_follow_each_other_and_what_is_left_follows_alone(images_per_class):
    order, counts = epoch(0, images_per_class=images_per_class), np.bincount(LABEL[ROWS])
    for whale, count in enumerate(counts):
        places = np.flatnonzero(LABEL[order] == whale)
        starts = np.concatenate([[0], np.flatnonzero(np.diff(places) > 1) + 1])
        assert len(starts) <= -(-count // images_per_class)  # as few clumps as there can be; two may touch
    partners = [(np.diff(np.flatnonzero(LABEL[order] == whale)) == 1).any() for whale in range(1, 5)]
    assert all(partners)


def test_clumps_are_not_always_of_the_same_photos():
    def partners(number):
        order = epoch(number, images_per_class=2)
        return {frozenset(pair) for pair in itertools.pairwise(order) if len({*LABEL[list(pair)]}) == 1}

    assert partners(0) != partners(1)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_any_number_of_hosts_reads_the_same_batches_each_from_its_own_shards(count, monkeypatch):
    rows, steps = np.arange(100, 137), range(10)  # two epochs and more

    def batches():
        batch = loader.training(Rows(), rows, batch=8, seed=3, shards=4)
        return np.stack([batch(step) for step in steps])

    whole = batches()
    monkeypatch.setattr(hosts, "count", lambda: count)
    shares = []
    for index in range(count):
        monkeypatch.setattr(hosts, "index", lambda index=index: index)
        shares.append(batches())
        expected = np.concatenate([rows[s::4] for s in range(4)[index * 4 // count : (index + 1) * 4 // count]])
        assert set(shares[-1].ravel()) == set(expected)
    assert_array_equal(np.concatenate(shares, axis=1), whole)


def test_every_shard_is_shuffled_for_itself_and_has_each_row_once_an_epoch():
    rows = np.arange(40)
    batch = loader.training(Rows(), rows, batch=8, seed=3, shards=4)
    epoch = np.stack([batch(step) for step in range(5)]).reshape(5, 4, 2)
    orders = [epoch[:, shard].ravel() // 4 for shard in range(4)]  # place of a row in its shard
    for order in orders:
        assert_array_equal(np.sort(order), np.arange(10))
    assert len({tuple(order) for order in orders}) == 4
    plain = loader.training(Rows(), rows, batch=8, seed=3)
    assert_array_equal(plain(0), loader.training(Rows(), rows, batch=8, seed=3, shards=1)(0))


def test_hosts_share_the_rows_of_an_evaluation_and_its_padding(monkeypatch):
    class Marked(Rows):
        def __getitem__(self, rows):
            return {"index": np.asarray(rows)}

    def rows_of(index):
        monkeypatch.setattr(hosts, "index", lambda: index)
        return list(loader.evaluation(Marked(), np.arange(11), batch=4))

    monkeypatch.setattr(hosts, "count", lambda: 2)
    parts = [np.concatenate([np.stack([b["index"], b["mask"]]) for b in rows_of(i)], axis=1) for i in range(2)]
    evaluated = np.concatenate([part[0][part[1] > 0] for part in parts])
    assert_array_equal(np.sort(evaluated), np.arange(11))
    assert [part.shape for part in parts] == [(2, 6), (2, 6)]
