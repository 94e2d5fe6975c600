import numpy as np
import pytest

from tests.programs.test_stages import photos
from whale_jax.data import gallery, splits
from whale_jax.runtime import errors


@pytest.fixture
def world():
    """Ten photos of whales 0, 1, 2 in turn, the last two without a name, of which fold 0 holds out three."""
    data, fold = photos(10), np.array([0, 0, 1, 1, 1, 0, 1, 1, -1, -1])
    return data, splits.Split(fold, data.label, np.zeros(10, bool), np.arange(10), "h", 2, 0)


def test_the_gallery_is_what_the_fold_trains_on_and_queries_are_what_it_holds_out(world):
    usable = np.arange(10) != 8
    catalogue = gallery.select(*world, fold=0, usable=usable)
    assert [rows.tolist() for rows in catalogue] == [[2, 3, 4, 6, 7], [0, 1, 5], [9]]


def test_a_fold_without_a_usable_photo_has_no_query(world):
    with pytest.raises(errors.InputError, match=r"config.fold = 0 holds out no photo with features"):
        gallery.select(*world, fold=0, usable=np.isin(np.arange(10), [2, 3, 4, 6, 7]))


def test_a_query_of_a_whale_that_the_gallery_lacks_is_refused(world):
    with pytest.raises(errors.InputError, match=r"1 photos, such as 5.jpg of w_c, ask for whales of which the gallery"):
        gallery.select(*world, fold=0, usable=np.arange(10) != 2)


def test_rare_whales_are_those_with_few_photos_in_the_gallery():
    label = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, -1])
    catalogue = gallery.Gallery(np.array([0, 1, 2, 4, 7]), queries=np.array([3, 5, 8]), unlabelled=np.array([9]))
    assert gallery.rare(label, catalogue, most=1).tolist() == [False, True, True]
