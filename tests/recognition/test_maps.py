"""The likeness of two maps is that of cells at the best shift of one cell, as SciPy shifts them."""

import numpy as np
import pytest
from scipy import ndimage

from whale_jax.recognition import maps
from whale_jax.runtime import errors

GRID = (4, 6)


def maps_of(count, channels=5):
    """(count, 4, 6, channels) random maps, each cell of length 1."""
    cells = np.random.default_rng(0).normal(size=(count, *GRID, channels))
    return np.float16(cells / np.linalg.norm(cells, axis=-1, keepdims=True))


def evidence_of(query, gallery):
    """(m, F) evidence of one map and m others."""
    return maps.compare(query[None], gallery, references=[np.arange(len(gallery))], title="test")[0]


def test_a_cell_is_as_alike_as_at_its_best_shift():
    cells = maps_of(40)
    evidence = evidence_of(cells[0], cells[1:])
    for other, numbers in zip(np.float32(cells[1:]), evidence, strict=True):
        shifts = [
            (ndimage.shift(np.float32(cells[0]), (down, across, 0), order=0, mode="constant") * other).sum(-1)
            for down in (-1, 0, 1)
            for across in (-1, 0, 1)
        ]
        expected = np.max(shifts, axis=0).reshape(2, 2, 3, 2).mean((1, 3))
        np.testing.assert_allclose(numbers, expected.ravel(), atol=2e-3)


def test_a_map_that_moved_by_a_cell_is_as_alike_as_itself_but_for_its_rim():
    first, second = maps_of(2)
    moved = np.roll(first, (1, -1), axis=(0, 1))
    alike, moved, stranger = evidence_of(first, np.stack([first, moved, second])).reshape(3, 2, 3)
    np.testing.assert_allclose(alike, 1, atol=2e-3)
    np.testing.assert_allclose(moved[1, :2], 1, atol=2e-3)
    assert stranger.max() < 0.95


def test_a_map_without_references_has_no_evidence():
    cells = maps_of(2)
    assert evidence_of(cells[0], cells[:0]).shape == (0, 6)


def test_each_query_has_the_evidence_of_its_references_in_their_order(monkeypatch):
    cells = maps_of(7)
    references = [np.array([3, 0]), np.array([2]), np.array([1, 3, 2])]
    monkeypatch.setattr(maps, "AT_ONCE", 2)
    evidence = maps.compare(cells[4:], cells[:4], references=references, title="test")
    for query, rows, numbers in zip(cells[4:], references, evidence, strict=True):
        np.testing.assert_allclose(numbers, evidence_of(query, cells[rows]), atol=2e-3)


def test_cells_are_of_the_first_side_without_the_mean_of_the_heads_and_of_length_1():
    features = np.random.default_rng(0).normal(3, 1, (9, 2 * 4 * 6 * 5))
    cells = maps.fit(features, grid=GRID, sides=2)(features)
    expected = features[:, :120].reshape(9, *GRID, 5)
    expected -= expected.mean(0)
    np.testing.assert_allclose(cells, expected / np.linalg.norm(expected, axis=-1, keepdims=True), atol=2e-3)


@pytest.mark.parametrize("grid", [(3, 6), (4, 5), (4, 8)])
def test_a_grid_that_is_not_the_maps_is_refused(grid):
    with pytest.raises(errors.InputError, match=r"config\.grid"):
        maps.fit(np.zeros((2, 120)), grid=grid)
