"""The page shows every photo of a folder, marks them where they are annotated, and takes names for text alone."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tests.data.folders import write_csv
from whale_jax.data import check
from whale_jax.data.catalogue import Catalogue, Photo
from whale_jax.programs import catalogue as program
from whale_jax.report import catalogue_page
from whale_jax.workflow import stage

SCRIPT, ODD = "<script>alert(1)</script>", "a \"quote\" & 'b' <i> %41 #1 ?.jpg"
SIZES = {ODD: (960, 640), "tall.jpg": (333, 1000), "two.jpg": (300, 200), "small.png": (60, 90)}
HEADER = ["Image", "whaleID", "encounter", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y"]
HEADER += ["x", "y", "width", "height"]
BONNET, BLOWHEAD, BOX = (700, 200), (500, 430), (440, 150, 330, 340)
ROWS = [
    [ODD, SCRIPT, "<b>trip</b>", *BONNET, *BLOWHEAD, *BOX],
    ["two.jpg", SCRIPT, "", 90, 80, 70, 60, *[""] * 4],
    ["two.jpg", "mother", "", 30, 40, 50, 60, *[""] * 4],
    ["tall.jpg", "mother", "", 2000, 10, 20, 30, *[""] * 4],
    ["broken.jpg", "mother", "", *[""] * 8],
]


class Page(HTMLParser):
    """A page's elements, as (tag, attributes), and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts = [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    def select(self, tag, **attributes):
        return [values for name, values in self.elements if name == tag and attributes.items() <= values.items()]


def read(workdir):
    return Page((workdir / "catalogue.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """The folder in which `catalogue` was run: black photos, one with a white dot where its bonnet is."""
    root, workdir = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("run")
    for name, (width, height) in SIZES.items():
        pixels = np.random.default_rng(0).integers(0, 60, (height, width, 3), np.uint8)
        if name == ODD:
            pixels[BONNET[1] - 6 : BONNET[1] + 6, BONNET[0] - 6 : BONNET[0] + 6] = 255
        Image.fromarray(pixels).save(root / name)
    (root / "broken.jpg").write_bytes((root / "tall.jpg").read_bytes()[:2000])
    write_csv(root / "whales.csv", [HEADER, *ROWS])
    config = stage.config("catalogue")
    config.data.root = str(root)
    program.run(config, workdir)
    return workdir


def test_every_photo_has_an_entry_and_a_thumbnail_of_its_aspect(workdir):
    page = read(workdir)
    for name in [*SIZES, "two.jpg#2", "broken.jpg"]:
        assert page.texts.count(name) == 1
    images = page.select("img", loading="lazy")
    assert len(images) == 5  # two of one photo
    assert len({image["src"] for image in images}) == len(list((workdir / "thumbnails").iterdir())) == len(SIZES)
    sizes = set()
    for image in images:
        with Image.open(workdir / image["src"]) as thumbnail:
            assert thumbnail.size == (int(image["width"]), int(image["height"]))
            sizes.add(thumbnail.size)
    assert sizes == {(240, 160), (80, 240), (60, 90)}  # as SIZES, and none enlarged


def test_marks_lie_where_they_lie_on_the_photo(workdir):
    page = read(workdir)
    [image] = page.select("img", alt=f"{SCRIPT}, bonnet marked, blowhead marked, in a box")
    start = page.elements.index(("img", image)) + 1
    (_, svg), (_, box), (_, line), (_, bonnet), (_, blowhead) = page.elements[start : start + 5]
    assert [bonnet["class"], blowhead["class"], svg["viewbox"]] == ["bonnet", "blowhead", "0 0 240 160"]
    for mark, keys, expected in (
        (bonnet, ("cx", "cy"), BONNET),
        (blowhead, ("cx", "cy"), BLOWHEAD),
        (line, ("x1", "y1", "x2", "y2"), BONNET + BLOWHEAD),
        (box, ("x", "y", "width", "height"), BOX),
    ):
        np.testing.assert_allclose([float(mark[key]) for key in keys], np.array(expected) * 240 / 960, atol=0.051)
    with Image.open(workdir / image["src"]) as thumbnail:
        dot = np.argwhere(np.asarray(thumbnail.convert("L")) > 150).mean(0)[::-1]
    np.testing.assert_allclose([float(bonnet["cx"]), float(bonnet["cy"])], dot, atol=0.6)
    assert page.texts.count("bonnet outside the photo") == 1


def test_names_are_text_and_nothing_is_asked_of_another_machine(workdir):
    page = read(workdir)
    assert len(page.select("script")) == 1
    assert not page.select("b") + page.select("i")
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    assert page.select("section", **{"data-whale": SCRIPT})
    assert SCRIPT in page.text
    assert "<b>trip</b>" in page.text
    addresses = {values[key] for _, values in page.elements for key in ("src", "href") if key in values}
    assert all(re.fullmatch(r"#[\w-]+|thumbnails/\d+\.jpg|catalogue\.csv", address) for address in addresses)
    assert not re.search(r"@import|url\(|fetch\(|//", (workdir / "catalogue.html").read_text(encoding="utf-8"))
    targets = {values["id"] for _, values in page.elements if "id" in values}
    assert {address[1:] for address in addresses if address.startswith("#")} <= targets
    assert all(label["for"] in targets for label in page.select("label"))


def test_whales_with_many_photos_come_first_and_those_without_a_name_last(workdir):
    assert [section["data-whale"] for section in read(workdir).select("section")] == ["mother", SCRIPT, "no name"]


def test_a_photo_without_a_picture_has_its_reason(workdir):
    page = read(workdir)
    assert page.texts.count("no picture") == 1
    assert "whales.csv line 6: broken.jpg cannot be decoded" in page.text
    assert "Look into this" in page.text


def entries(whales):
    """Photos without content, one for each of the whales' names."""
    photos = tuple(
        Photo(f"{i}.jpg", whale, np.full((2, 2), np.nan), np.full(4, np.nan), "", 0, {"row": f"a.csv line {i}"})
        for i, whale in enumerate(whales)
    )
    return [check.Checked(photo._replace(file=photo.name)) for photo in photos]


def show(workdir, rows, *, photos=(), read_bytes=None, warnings=()):
    catalogue = Catalogue(workdir, tuple(row.photo for row in rows), (), read_bytes, 0, notes=("read as table",))
    counts = program.count(catalogue)
    catalogue_page.write(workdir, catalogue, photos=photos, counts=counts, warnings=warnings)
    return read(workdir)


def test_photos_that_are_absent_or_gone_have_an_entry(tmp_path):
    rows = entries(["a", "b", ""])
    page = show(tmp_path, rows)
    assert page.texts.count(catalogue_page.ABSENT) == 3
    assert not (tmp_path / "thumbnails").exists()

    def vanish(name):
        raise FileNotFoundError(f"no file {name}")

    photos = [row._replace(size=(4, 5)) for row in rows]
    page = show(tmp_path, rows, photos=photos, read_bytes=vanish)
    assert [f"no file {i}.jpg" in page.texts for i in range(3)] == [True] * 3


def test_a_page_has_a_bounded_number_of_photos_and_says_so(tmp_path, monkeypatch):
    rows = entries(["", *"abbcccc", *[""] * 9])
    for most in range(1, 20):
        groups, totals = catalogue_page.choose(rows, most=most)
        lengths = {whale: len(group) for whale, group in groups.items()}
        assert totals == {"c": 4, "b": 2, "a": 1, "": 10}
        assert sum(lengths.values()) == min(most, 17)
        assert list(lengths) == ["c", "b", "a", ""][:most]
        assert all(lengths[whale] >= min(totals[whale], max(lengths.values()) - 1) for whale in lengths)
        for whale, group in groups.items():
            assert group == [row for row in rows if row.photo.whale == whale][: len(group)]
    monkeypatch.setattr(catalogue_page, "MOST", 6)
    page = show(tmp_path, rows, warnings=[f"warning {i}" for i in range(25)])
    assert page.texts.count("no picture") == 6
    assert "This page shows 6 of 17 entries" in page.text
    assert "10 photos, of which 1 shown" in page.text
    assert "warning 19" in page.text
    assert "5 more lines in table.md" in page.text
    assert "warning 20" not in page.text
