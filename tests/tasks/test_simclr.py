"""SimCLR: two views of every photo."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.tasks.batches import COUNT, SIZE, TURNED, TURNING, make_batch, prepare
from whale_jax.tasks.classify import classify
from whale_jax.tasks.simclr import simclr


@pytest.mark.slow
def test_simclr_draws_two_views_of_every_photo_whoever_it_shows():
    batch = make_batch(TURNED)
    batch["label"][0], batch["mask"][-1] = -1, 0
    ready = prepare(simclr(size=SIZE, augmentation=TURNING), batch)
    assert_array_equal(ready["label"], np.repeat(np.arange(COUNT), 2))
    assert_array_equal(ready["index"], np.arange(2 * COUNT))
    assert_array_equal(ready["weight"], np.repeat(batch["mask"], 2))
    first, second = ready["image"][::2], ready["image"][1::2]
    assert (np.abs(first - second).mean((1, 2, 3)) > 0.1).all()
    still = prepare(simclr(size=SIZE), batch)["image"]
    assert_array_equal(still[::2], still[1::2])
    plain = prepare(classify(size=SIZE, classes=4), batch, False)
    evaluated = prepare(simclr(size=SIZE, augmentation=TURNING), batch, False)
    assert_array_equal(evaluated["image"], plain["image"])
    assert_array_equal(evaluated["weight"], plain["weight"])
