"""Marks that need more than their numbers: what a tool adds by itself, copies of another size, and two whales."""

import numpy as np
import pytest

from tests.data.formats.folder import dump, named, photo, photos, read
from tests.data.formats.test_tools import BLOWHEAD, BONNET, REGIONS, coco, label_studio, via_entry
from whale_jax.data import formats
from whale_jax.data.rows import Format, Reading, Row, Source
from whale_jax.runtime.errors import InputError


def test_what_cvat_writes_of_itself_is_no_box_and_no_date(tmp_path):
    photos(tmp_path, "p.jpg", "q.jpg")
    content = coco(attributes={"whale_id": "Eg1001"}, bbox=(60, 50, 40, 40))  # the rectangle of a skeleton's points
    content["categories"][0]["keypoints"].append("lip")
    content["annotations"][0]["keypoints"] += [80, 90, 2]
    for image in content["images"]:
        image["date_captured"] = 0
    dump(tmp_path / "a.json", content)
    catalogue = read(tmp_path)
    assert (catalogue.photos[0].whale, catalogue.photos[0].date) == ("Eg1001", "")
    assert np.isnan(catalogue.photos[0].box).all()
    assert np.isfinite(catalogue.photos[0].points).all()


def test_marks_drawn_on_smaller_copies_are_of_the_photos(tmp_path):
    photo(tmp_path / "p.jpg", size=(1280, 800))
    photos(tmp_path, "q.jpg")
    dump(tmp_path / "a.json", coco())  # of 320 x 200 pixels
    catalogue = read(tmp_path)
    expected = (np.array([BONNET, BLOWHEAD]) + 0.5) * 4 - 0.5
    np.testing.assert_allclose(catalogue.photos[0].points, expected)
    np.testing.assert_allclose(catalogue.photos[0].box, [40 * 4 + 1.5, 30 * 4 + 1.5, 90 * 4, 60 * 4])
    assert any("their marks are scaled: p.jpg of 1280x800, drawn on 320x200" in line for line in catalogue.warnings)
    content = coco()
    content["images"][0] |= {"width": 80, "height": 50}  # the marks lie beyond
    dump(tmp_path / "a.json", content)
    np.testing.assert_allclose(read(tmp_path).photos[0].points, [BONNET, BLOWHEAD])


@pytest.mark.parametrize(("strays", "scaled"), [(1, 19), (10, 0)])
def test_a_stray_mark_is_an_exception_and_many_speak_against_the_size(tmp_path, strays, scaled):
    content = {"images": [], "annotations": [], "categories": coco()["categories"]}
    for number in range(20):
        photo(tmp_path / f"{number:02d}.jpg")
        content["images"].append({"id": number, "file_name": f"{number:02d}.jpg", "width": 160, "height": 100})
        x = 300 if number < strays else 100  # beyond a copy of half the size
        content["annotations"].append(
            {"id": number, "image_id": number, "category_id": 2, "keypoints": [60, 60, 2, x, 50, 2]}
        )
    dump(tmp_path / "a.json", content)
    points = np.array([entry.points for entry in read(tmp_path).photos])
    assert (points[:, 1, 0] == 120.5).sum() == scaled
    assert (points[:, 1, 0] == 60).sum() == 20 - scaled


def second(shape):
    """The region of another head, 100 pixels to the right."""
    return {key: value + 100 if key in ("cx", "x") else value for key, value in shape.items()}


def of_calf(**notes):
    """VIA's file with the regions of a mother and of her calf, in turn; the calf's have these attributes."""
    content = via_entry()
    content["p.jpg99"]["file_attributes"] = {}
    content["p.jpg99"]["regions"] = [
        {"shape_attributes": shape, "region_attributes": attributes}
        for mother, part in REGIONS
        for shape, attributes in ((second(mother), part | notes), (mother, part | {"whaleID": "Eg1001"}))
    ]
    return content


def test_two_whales_on_a_photo_are_named_by_their_regions(tmp_path):
    photos(tmp_path, "p.jpg", "q.jpg")
    dump(tmp_path / "via.json", of_calf(whaleID="calf of 2021"))
    heads = {entry.whale: entry.points[0].tolist() for entry in read(tmp_path).photos if entry.whale}
    assert heads == {"Eg1001": [100, 50], "calf of 2021": [200, 50]}
    dump(tmp_path / "via.json", of_calf())
    assert [whale for _, whale in named(read(tmp_path))] == ["", "Eg1001", ""]


def test_a_region_without_a_name_beside_two_whales_is_refused(tmp_path):
    photos(tmp_path, "p.jpg", "q.jpg")
    content = of_calf(whaleID="calf of 2021")
    del content["p.jpg99"]["regions"][0]["region_attributes"]["whaleID"]
    dump(tmp_path / "via.json", content)
    with pytest.raises(InputError, match=r"the same marks \(no whale, Eg1001, calf of 2021\): draw them all, and name"):
        read(tmp_path)
    content = of_calf(whaleID="calf of 2021")
    regions = content["p.jpg99"]["regions"]
    content["p.jpg99"]["regions"] = [regions[1], regions[3], regions[4]]  # the calf's box alone
    dump(tmp_path / "via.json", content)
    with pytest.raises(InputError, match=r"the same marks \(Eg1001, calf of 2021\)"):
        read(tmp_path)


def test_a_word_for_no_whale_is_no_second_whale(tmp_path):
    photos(tmp_path, "p.jpg", "q.jpg")
    content = via_entry()
    content["p.jpg99"]["file_attributes"] = {"whaleID": "unknown"}
    content["p.jpg99"]["regions"][2]["region_attributes"]["whaleID"] = "Eg1001"
    dump(tmp_path / "via.json", content)
    assert named(read(tmp_path)) == [("p.jpg", "Eg1001"), ("q.jpg", "")]


def test_regions_without_a_name_are_of_the_whale_of_the_photo(tmp_path):
    photos(tmp_path, "p.jpg", "q.jpg")
    content = of_calf(whaleID="calf of 2021")
    content["p.jpg99"]["file_attributes"] = {"whaleID": "Eg1001"}
    for region in content["p.jpg99"]["regions"][1::2]:
        del region["region_attributes"]["whaleID"]
    dump(tmp_path / "via.json", content)
    heads = {entry.whale: entry.points[0].tolist() for entry in read(tmp_path).photos if entry.whale}
    assert heads == {"Eg1001": [100, 50], "calf of 2021": [200, 50]}


def test_label_studio_names_each_region(tmp_path):
    """A text of a region has the region's id."""
    photos(tmp_path, "p.jpg", "q.jpg")
    task, results = label_studio(), []
    *regions, _ = task["annotations"][0]["result"]
    for number, whale in enumerate(("Eg1001", "calf of 2021")):
        for region in regions:
            mark = {**region, "id": f"{region['id']} {number}", "value": {**region["value"], "y": 20.0 + 40 * number}}
            text = {"value": {"text": [whale]}, "id": mark["id"], "from_name": "whaleID", "type": "textarea"}
            results += [mark, text]
    task["annotations"][0]["result"] = results
    dump(tmp_path / "a.json", [task])
    heads = {entry.whale: entry.points[0, 1] for entry in read(tmp_path).photos if entry.whale}
    assert heads == pytest.approx({"Eg1001": 40, "calf of 2021": 120})


def test_marks_that_could_be_of_two_photos_are_refused(tmp_path):
    for year in ("2019", "2021"):
        (tmp_path / year).mkdir()
        photos(tmp_path / year, "p.jpg")
    photos(tmp_path, "q.jpg")
    dump(tmp_path / "a.json", coco())
    with pytest.raises(InputError, match=r"p.jpg is 2 photos, .*: write the folder as well"):
        read(tmp_path)


def test_a_format_that_calls_a_fact_by_an_unknown_name_is_stopped(tmp_path, monkeypatch):
    def rows(folder, settings, *, problems):
        return Reading((Source([Row("p.jpg", {"whales": "Eg1001"}, "line 1")]),))

    monkeypatch.setitem(formats.FORMATS, "toy", Format(lambda folder: "toys", rows))
    photos(tmp_path, "p.jpg")
    with pytest.raises(InputError, match="unknown fact of the format 'toy' 'whales': did you mean whale"):
        read(tmp_path, format="toy")
