"""The order of training: every photo once an epoch, and one whale's photos side by side where that is asked for."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from whale_jax.data import loader

LABEL = np.repeat(np.arange(5), [1, 2, 3, 4, 10])  # whales with so many photos
ROWS = np.flatnonzero(np.arange(len(LABEL)) != 7)  # one photo of whale 3 is held out


class Rows:
    """Examples that know their row and nothing else."""

    def __getitem__(self, rows):
        return np.asarray(rows)


def epoch(number, *, together, seed=0, batch=19):
    batches = loader.training(Rows(), ROWS, batch=batch, seed=seed, label=LABEL, together=together)
    return batches(number)


@pytest.mark.parametrize("together", [1, 2, 4])
def test_an_epoch_has_every_row_once_and_the_next_another_order(together):
    first, second = epoch(0, together=together), epoch(1, together=together)
    assert_array_equal(np.sort(first), ROWS)
    assert_array_equal(np.sort(second), ROWS)
    assert (first != second).any()
    assert (first != epoch(0, together=together, seed=1)).any()
    assert_array_equal(first, epoch(0, together=together))  # a function of the step alone


def test_batches_run_across_epochs():
    whole = np.concatenate([epoch(i, together=4) for i in range(3)])
    batches = loader.training(Rows(), ROWS, batch=8, seed=0, label=LABEL, together=4)
    assert_array_equal(np.concatenate([batches(step) for step in range(7)]), whole[:56])


@pytest.mark.parametrize("together", [2, 4])
def test_photos_of_a_whale_follow_each_other_and_what_is_left_follows_alone(together):
    order, counts = epoch(0, together=together), np.bincount(LABEL[ROWS])
    for whale, count in enumerate(counts):
        places = np.flatnonzero(LABEL[order] == whale)
        starts = np.concatenate([[0], np.flatnonzero(np.diff(places) > 1) + 1])
        assert len(starts) <= -(-count // together)  # as few clumps as there can be; two may touch
    partners = [(np.diff(np.flatnonzero(LABEL[order] == whale)) == 1).any() for whale in range(1, 5)]
    assert all(partners)


def test_clumps_are_not_always_of_the_same_photos():
    def partners(number):
        order = epoch(number, together=2)
        return {frozenset(pair) for pair in itertools.pairwise(order) if len({*LABEL[list(pair)]}) == 1}

    assert partners(0) != partners(1)
