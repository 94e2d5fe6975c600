"""A gallery and the photos that a person asks about are one catalogue, which loses nothing of either."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from tests.data.formats.folder import photos, read, table
from whale_jax.data import gallery_folder
from whale_jax.data.gallery_folder import PREFIX
from whale_jax.data.rows import Settings
from whale_jax.runtime.errors import InputError

COLUMNS = ("Image", "whaleID", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y", "encounter")


@pytest.fixture
def pair(tmp_path):
    """A folder of photos to ask about, one of which has a name, and a gallery with photos of the same names."""
    root, gallery = tmp_path / "new", tmp_path / "catalogue"
    photos(root, "a.jpg", "left/b.jpg", "z.jpg")
    photos(gallery, "a.jpg", "left/b.jpg", "right/c.jpg")
    table(root / "w.csv", COLUMNS, ["a.jpg", "Eg2", 10, 11, 90, 91, "s-1"])
    table(gallery / "w.csv", COLUMNS, ["a.jpg", "Eg1", 20, 21, 80, 81, "s-2"], ["left/b.jpg", "Eg3", *[""] * 5])
    (gallery / "weather.txt").write_text("fair")
    return root, gallery


def join(root, gallery):
    return gallery_folder.join(read(root), gallery_folder.read(gallery, Settings()))


def test_both_keep_names_points_encounters_and_bytes(pair):
    catalogue, sides = join(*pair), [read(folder) for folder in pair]
    names = ["a.jpg", "gallery/a.jpg", "gallery/left/b.jpg", "gallery/right/c.jpg", "left/b.jpg", "z.jpg"]
    assert [photo.name for photo in catalogue.photos] == [photo.file for photo in catalogue.photos] == names
    assert catalogue.whales == ("Eg1", "Eg2", "Eg3")
    by_name = {photo.name: photo for photo in catalogue.photos}
    for side, prefix in zip(sides, ("", PREFIX), strict=True):
        for photo in side.photos:
            joined = by_name[prefix + photo.name]
            assert (joined.whale, joined.encounter, joined.file_size) == (photo.whale, photo.encounter, photo.file_size)
            np.testing.assert_array_equal(joined.points, photo.points)
            assert catalogue.read_bytes(joined.name) == side.read_bytes(photo.name)


def test_what_is_said_of_the_gallery_says_so(pair):
    catalogue, sides = join(*pair), [read(folder) for folder in pair]
    assert catalogue.notes == (*sides[0].notes, *(f"gallery: {line}" for line in sides[1].notes))
    assert catalogue.warnings == (*sides[0].warnings, "gallery: not read: weather.txt")
    places = {photo.places["whale"] for photo in catalogue.photos if photo.whale}
    assert places == {"w.csv line 2", "gallery: w.csv line 2", "gallery: w.csv line 3"}


def test_rows_of_the_gallery_are_told_by_their_names(pair):
    catalogue = join(*pair)
    rows = gallery_folder.gallery_rows(SimpleNamespace(name=np.array([photo.name for photo in catalogue.photos])))
    assert rows.tolist() == [False, True, True, True, False, False]
    assert rows.dtype == bool


def test_workers_elsewhere_can_read_both(pair):
    catalogue = join(*pair)
    read_bytes = pickle.loads(pickle.dumps(catalogue.read_bytes))
    assert [read_bytes(photo.name) for photo in catalogue.photos] == list(
        map(catalogue.read_bytes, [photo.name for photo in catalogue.photos])
    )


def test_a_second_whale_stays_behind_the_first(pair):
    root, gallery = pair
    table(gallery / "w.csv", COLUMNS, *(["a.jpg", f"Eg{i}", 9 * i, 9, 190, 191, ""] for i in range(11)))
    names = [photo.name for photo in join(root, gallery).photos if photo.file == "gallery/a.jpg"]
    assert names == ["gallery/a.jpg", *(f"gallery/a.jpg#{i}" for i in range(2, 12))]


def test_a_gallery_without_names_is_refused(pair):
    root, gallery = pair
    (gallery / "w.csv").unlink()
    with pytest.raises(InputError, match=r"gallery: no photo in .*catalogue has the name of a whale: name some"):
        join(root, gallery)


def test_mistakes_in_the_gallery_are_said_to_be_there(pair):
    root, gallery = pair
    with pytest.raises(InputError, match=r"^gallery: no folder '.*absent'"):
        join(root, gallery / "absent")
    table(gallery / "w.csv", COLUMNS, ["lost.jpg", "Eg1", *[""] * 5])
    with pytest.raises(InputError, match=r"^gallery: w.csv line 2: no photo lost.jpg"):
        join(root, gallery)
    photos(gallery, "Eg1/c.jpg")
    table(gallery / "w.csv", ["Image", "whaleID", "callosity", "path", "identity"], ["Eg1/c.jpg", "", "", "", ""])
    with pytest.raises(InputError, match=r"^gallery: .* looks like .*--config.gallery_format=\w+ decides"):
        join(root, gallery)


def test_a_name_that_the_gallery_gives_is_refused(pair):
    root, gallery = pair
    photos(root, "gallery/q.jpg")
    with pytest.raises(InputError, match=r"new/gallery: gallery/q.jpg and other photos in it .*: rename this folder"):
        join(root, gallery)


@pytest.mark.parametrize("side", [0, 1])
def test_a_folder_in_the_other_is_refused(pair, side):
    outer = pair[side]
    inner = outer / "june"
    photos(inner, "a.jpg")
    table(inner / "w.csv", ["Image", "whaleID"], ["a.jpg", "Eg1"])
    for folders in ((outer, inner), (inner, outer), (outer, outer)):
        with pytest.raises(InputError, match="one of them lies in the other"):
            gallery_folder.join(*(read(folder) for folder in folders))
