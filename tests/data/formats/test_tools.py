"""What annotation tools export: COCO of CVAT and Wild Me, Label Studio, VIA; and what each says of one head."""

import copy
import json

import numpy as np
import pytest
from PIL import Image

from tests.data.formats.folder import dump, named, photo, photos, read, table
from whale_jax.runtime.errors import InputError

BONNET, BLOWHEAD, BOX = (100, 50), (60, 60), (40, 30, 90, 60)


def facts(entry):
    """The whale, the points and the box of a row, to compare with `head`."""
    return entry.whale, entry.points.ravel().tolist(), entry.box.tolist()


def head(whale="Eg1001"):
    return whale, pytest.approx([*BONNET, *BLOWHEAD], abs=1e-3), pytest.approx([*BOX], abs=1e-3)


def coco(**annotation):
    category = {"id": 2, "name": "head", "supercategory": "", "keypoints": ["blowhead", "bonnet"], "skeleton": [[1, 2]]}
    marks = {"id": 9, "image_id": 5, "category_id": 2, "bbox": BOX, "keypoints": [*BLOWHEAD, 2, *BONNET, 2]}
    images = [{"id": 5, "file_name": "p.jpg", "width": 320, "height": 200}, {"id": 6, "file_name": "q.jpg"}]
    return {"images": images, "categories": [category], "annotations": [marks | annotation]}


@pytest.mark.parametrize(
    "individual",
    [{"individual_uuid": "Eg1001"}, {"name": "Eg1001"}, {"attributes": {"occluded": False, "whaleID": "Eg1001"}}],
    ids=["by identifier", "Wild Me", "CVAT 2"],
)
def test_coco(tmp_path, individual):
    photos(tmp_path, "images/default/p.jpg", "images/default/q.jpg")
    dump(tmp_path / "annotations" / "person_keypoints_default.json", coco(**individual))
    catalogue = read(tmp_path)
    assert catalogue.formats == ("coco",)
    assert facts(catalogue.photos[0]) == head()
    assert named(catalogue)[1] == ("images/default/q.jpg", "")


def test_coco_of_miewid_names_images_by_uuid(tmp_path):
    photos(tmp_path, "p.jpg", "q.jpg")
    content = coco(name="Eg1001", image_uuid="u-5")
    content["images"][0] |= {"uuid": "u-5"}
    del content["annotations"][0]["image_id"]
    dump(tmp_path / "a.json", content)
    assert facts(read(tmp_path).photos[0]) == head()


def test_coco_of_individuals_that_are_listed_by_themselves(tmp_path):
    photos(tmp_path, "p.jpg", "q.jpg")
    dump(tmp_path / "a.json", coco(individual_id=7) | {"individuals": [{"id": 7, "name": "Eg1001"}, {"id": 8}]})
    assert facts(read(tmp_path).photos[0]) == head()
    dump(tmp_path / "a.json", coco() | {"individuals": [{"id": 7, "name": "Eg1001"}]})
    assert facts(read(tmp_path).photos[0]) == head(whale="")


def test_coco_passes_over_points_that_are_not_marked(tmp_path):
    photos(tmp_path, "p.jpg", "q.jpg")
    dump(tmp_path / "a.json", coco(keypoints=[*BLOWHEAD, 2, 0, 0, 0], num_keypoints=1))
    np.testing.assert_array_equal(read(tmp_path).photos[0].points, [(np.nan, np.nan), BLOWHEAD])
    dump(tmp_path / "a.json", coco(keypoints=[1, 2, 2]))
    with pytest.raises(
        InputError, match=r"a.json annotation 1: 3 numbers in keypoints where its category has 2 points"
    ):
        read(tmp_path)


def test_coco_of_a_turned_photo_is_asked_about(tmp_path):
    """A tool that turned the photo says its size as turned, and its marks may lie inside both."""
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(tmp_path / "p.jpg", exif=exif)
    photos(tmp_path, "q.jpg")
    content = coco()
    content["images"][0] |= {"width": 200, "height": 320}
    dump(tmp_path / "a.json", content)
    with pytest.raises(InputError, match=r"1 photos, such as p.jpg, .* --config.orientation=viewed or"):
        read(tmp_path)
    points = read(tmp_path, orientation="viewed").photos[0].points
    np.testing.assert_array_equal(points, [(50, 199 - 100), (60, 199 - 60)])  # turned a quarter to the right
    np.testing.assert_array_equal(read(tmp_path, orientation="stored").photos[0].points, [BONNET, BLOWHEAD])


def region(kind, label, **value):
    size = {"original_width": 320, "original_height": 200, "image_rotation": 0}
    return {
        **size,
        "value": {**value, kind: [label]},
        "id": label,
        "from_name": "tag",
        "to_name": "image",
        "type": kind,
    }


def label_studio():
    """A task of Label Studio 1.13 as JSON, whose numbers are percent."""
    results = [
        region("keypointlabels", "bonnet", x=31.25, y=25.0, width=0.5),
        region("keypointlabels", "blowhead", x=18.75, y=30.0, width=0.5),
        region("rectanglelabels", "head", x=12.5, y=15.0, width=28.125, height=30.0, rotation=0),
        {"value": {"text": ["Eg1001"]}, "id": "w", "from_name": "whaleID", "to_name": "image", "type": "textarea"},
    ]
    annotation = {"id": 3, "completed_by": 1, "was_cancelled": False, "result": results}
    data = {"image": "/data/upload/1/0a1b2c3d-p.jpg"}
    return {"id": 1, "data": data, "file_upload": "0a1b2c3d-p.jpg", "annotations": [annotation], "predictions": []}


def test_label_studio(tmp_path):
    photos(tmp_path, "p.jpg", "q.jpg")
    dump(tmp_path / "project-1-at-2024.json", [label_studio()])
    catalogue = read(tmp_path)
    assert catalogue.formats == ("label_studio",)
    assert facts(catalogue.photos[0]) == head()


def test_label_studio_minimal(tmp_path):
    """The same task as JSON-MIN."""
    photos(tmp_path, "p.jpg")
    *regions, _ = label_studio()["annotations"][0]["result"]
    parts = [entry["value"] | {key: entry[key] for key in ("original_width", "original_height")} for entry in regions]
    task = {"image": "/data/upload/1/0a1b2c3d-p.jpg", "id": 1, "tag": parts[:2], "box": parts[2:], "whaleID": "Eg1001"}
    dump(tmp_path / "min.json", [task])
    assert facts(read(tmp_path).photos[0]) == head()


@pytest.mark.parametrize("tool", ["coco", "label_studio", "via"])
def test_tools_are_read_by_the_usual_names_of_tables(tmp_path, tool):
    photos(tmp_path, "p.jpg", "q.jpg")
    words = {"Catalogue ID": "Eg1001", "sighting-id": "s7", "Date taken": "2019-04-02", "individual": True}
    if tool == "coco":
        content = coco(attributes=words, date=0)
    elif tool == "label_studio":
        content = [label_studio()]
        content[0]["annotations"][0]["result"].pop()
        content[0]["data"] |= words | {"Catalogue ID": ["Eg1001", "Eg1002"]}
    else:
        content = via_entry()
        content["p.jpg99"]["file_attributes"] = words
    dump(tmp_path / "a.json", content)
    entry = read(tmp_path).photos[0]
    assert facts(entry) == head()
    assert (entry.encounter, entry.date) == ("s7", "2019-04-02")


def test_label_studio_says_when_points_do_not_pair(tmp_path):
    photos(tmp_path, "p.jpg")
    task = label_studio()
    task["annotations"][0]["result"].append(region("keypointlabels", "bonnet", x=1.0, y=2.0))
    dump(tmp_path / "a.json", [task])
    with pytest.raises(InputError, match=r"a.json task 1: 2 of bonnet, 1 of blowhead, 1 of box on one photo"):
        read(tmp_path)


REGIONS = [
    ({"name": "point", "cx": 100, "cy": 50}, {"part": "bonnet"}),
    ({"name": "point", "cx": 60, "cy": 60}, {"part": "Blowhead"}),
    ({"name": "rect", "x": 40, "y": 30, "width": 90, "height": 60}, {"part": "head"}),
]


def via_entry():
    regions = [{"shape_attributes": shape, "region_attributes": notes} for shape, notes in REGIONS]
    entry = {"filename": "p.jpg", "size": 99, "regions": regions, "file_attributes": {"whaleID": "Eg1001"}}
    return {"p.jpg99": entry, "q.jpg1": {"filename": "q.jpg", "size": 1, "regions": [], "file_attributes": {}}}


@pytest.mark.parametrize("kind", ["json", "project", "csv"])
def test_via(tmp_path, kind):
    """Exports and the project of VIA 2.0.12."""
    photos(tmp_path, "p.jpg", "q.jpg")
    if kind == "csv":
        header = ["filename", "file_size", "file_attributes", "region_count", "region_id"]
        header += ["region_shape_attributes", "region_attributes"]
        whale = json.dumps({"whaleID": "Eg1001"})
        rows = [["p.jpg", 99, whale, 3, i, json.dumps(a), json.dumps(b)] for i, (a, b) in enumerate(REGIONS)]
        table(tmp_path / "via_export_csv.csv", header, *rows, ["q.jpg", 1, "{}", 0, 0, "{}", "{}"])
    else:
        content = via_entry()
        project = {"_via_settings": {}, "_via_img_metadata": content, "_via_attributes": {"region": {}, "file": {}}}
        dump(tmp_path / "via.json", project if kind == "project" else content)
    catalogue = read(tmp_path)
    assert catalogue.formats == ("via",)
    assert facts(catalogue.photos[0]) == head()
    assert named(catalogue)[1] == ("q.jpg", "")


def test_via_ticks_and_tables_beside_it(tmp_path):
    """A checkbox keeps what is ticked by its label, and VIA's own CSV is not the table of names."""
    photos(tmp_path, "p.jpg")
    rows = [["p.jpg", json.dumps(shape), json.dumps({"part": {notes["part"]: True}})] for shape, notes in REGIONS]
    table(tmp_path / "via.csv", ["filename", "region_shape_attributes", "region_attributes"], *rows)
    table(tmp_path / "whales.csv", ["Image", "whaleID"], ["p.jpg", "Eg1001"])
    assert facts(read(tmp_path, format="table+via").photos[0]) == head()


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("/data/local-files/?d=day%201/p.jpg", "p.jpg"),
        ("/data/local-files/?d=day%201/20190402-1.jpg", "20190402-1.jpg"),
        ("s3://bucket/p.jpg", "p.jpg"),
        ("100%25.jpg", "100%25.jpg"),
    ],
)
def test_label_studio_calls_photos_by_addresses(tmp_path, image, name):
    photos(tmp_path, name)
    dump(tmp_path / "a.json", [label_studio() | {"data": {"image": image}}])
    assert facts(read(tmp_path).photos[0]) == head()


def spoil(content, rng):
    """The content with a random part replaced by what no tool writes there."""
    content = copy.deepcopy(content)
    parent = content
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        key = keys[rng.integers(len(keys))]
        child = parent[key]
        if not (isinstance(child, dict | list) and child) or rng.random() < 0.25:
            parent[key] = (None, 7, "x", [], {}, [1], {"a": 1}, -1e400)[rng.integers(8)]
            return content
        parent = child


@pytest.mark.parametrize("tool", ["coco", "label_studio", "via"])
def test_a_spoiled_export_is_read_or_refused_and_never_ends_in_a_traceback(tmp_path, tool):
    rng = np.random.default_rng(0)
    content = {"coco": coco(name="Eg1001"), "label_studio": [label_studio()], "via": via_entry()}[tool]
    content = json.loads(json.dumps(content))
    photos(tmp_path, "p.jpg", "q.jpg")
    outcomes = []
    for _ in range(150):
        dump(tmp_path / "a.json", spoil(content, rng))
        try:
            outcomes.append(read(tmp_path).formats[0])
        except InputError:
            outcomes.append("refused")
    assert {"refused", tool} <= {*outcomes}


def test_two_formats_are_an_error_and_can_be_joined(tmp_path):
    photos(tmp_path, "p.jpg", "q.jpg")
    dump(tmp_path / "a.json", coco())
    table(tmp_path / "w.csv", ["Image", "whaleID"], ["p.jpg", "Eg1001"], ["q.jpg", "Eg2"])
    with pytest.raises(
        InputError, match=r"like coco .* and like table .*--config.format=table.*=table\+coco reads both"
    ):
        read(tmp_path)
    catalogue = read(tmp_path, format="table+coco")
    assert facts(catalogue.photos[0]) == head()
    assert named(catalogue) == [("p.jpg", "Eg1001"), ("q.jpg", "Eg2")]
    with pytest.raises(InputError, match="unknown format 'cocoa'"):
        read(tmp_path, format="cocoa")


def test_points_beside_folders_that_name_the_whales_are_asked_about(tmp_path):
    for whale in ("Eg1001", "Eg2"):
        (tmp_path / whale).mkdir()
        photos(tmp_path / whale, f"{whale}.jpg")
    content = coco()
    for image, name in zip(content["images"], ("Eg1001.jpg", "Eg2.jpg"), strict=True):
        image["file_name"] = name
    dump(tmp_path / "a.json", content)
    with pytest.raises(
        InputError, match=r"format=folders or --config.format=coco decides, .*=folders\+coco reads both"
    ):
        read(tmp_path)
    catalogue = read(tmp_path, format="folders+coco")
    assert named(catalogue) == [("Eg1001/Eg1001.jpg", "Eg1001"), ("Eg2/Eg2.jpg", "Eg2")]
    assert np.isfinite(catalogue.photos[0].points).all()
