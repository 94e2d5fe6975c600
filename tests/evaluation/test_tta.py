"""The warps of test-time augmentation do what their names say."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from whale_jax import geometry
from whale_jax.evaluation import tta
from whale_jax.runtime import errors

VIEW, SIZE = (60, 90), (40, 60)
WARPS = {"rotate": (0, 90, 180, 270), "scale": (0.9, 1.0), "flip_ud": (0, 1)}


def test_a_grid_has_every_combination_about_the_middle():
    grid = tta.grid(WARPS, VIEW, size=SIZE)
    assert grid.shape == (16, 3, 3)
    assert len(np.unique(grid.round(4), axis=0)) == 16
    middles = geometry.move_points(grid, geometry.middle(VIEW)[None])
    assert_allclose(middles, np.tile(geometry.middle(SIZE), (16, 1, 1)), atol=1e-4)
    area = np.linalg.det(grid) / np.linalg.det(geometry.resize(VIEW, SIZE))
    assert_allclose(sorted(area), [-1] * 4 + [-0.81] * 4 + [0.81] * 4 + [1] * 4, rtol=1e-4)


def test_warps_do_what_their_names_say():
    single = {"shift_x": (0.25,), "shift_y": (-0.1,), "shear": (30,)}
    points = np.array([[29.5, 19.5], [29.5, 29.5]])
    moved = {name: geometry.move_points(tta.grid({name: v}, SIZE, size=SIZE)[0], points) for name, v in single.items()}
    assert_allclose(moved["shift_x"], [[44.5, 19.5], [44.5, 29.5]], atol=1e-4)  # a quarter of 60 pixels
    assert_allclose(moved["shift_y"], [[29.5, 15.5], [29.5, 25.5]], atol=1e-4)
    assert_allclose(moved["shear"], [[29.5, 19.5], [29.5 + 10 * np.tan(np.pi / 6), 29.5]], atol=1e-4)


def test_an_empty_grid_is_the_plain_resize():
    assert_allclose(tta.grid({}, VIEW, size=SIZE), geometry.resize(VIEW, SIZE)[None], atol=1e-6)


def test_an_unknown_warp_has_a_close_match():
    with pytest.raises(errors.InputError, match="did you mean rotate"):
        tta.grid({"rotation": (0, 90)}, VIEW, size=SIZE)
