"""The page shows every new photo beside its candidates, each by the head that it names, and takes names for text."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from tests.data.folders import write_csv
from tests.data.test_splits import as_photos
from tests.report.test_catalogue_page import Page
from whale_jax.data import images
from whale_jax.report import identify_page
from whale_jax.report.identify_page import Heads
from whale_jax.workflow import json_files
from whale_jax.workflow.finished_runs import Stage

SCRIPT, ODD = "<script>alert(1)</script>", "a \"quote\" & 'b' <i> %41 #1 ?.jpg"
COLUMNS = ["Image", "encounter", "rank", "whaleID", "probability", "nearest", "p_none", "is_none", "note"]
COLOURS = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40)]
# Of each photo: name, encounter, p_none, is_none, probabilities of its candidates; none for one without an answer.
ANSWERS = [
    ("sure.jpg", "", 0.01, 0, (0.95, 0.02, 0.0001)),
    ("blank.jpg", "", 0, 0, ()),
    (ODD, "<b>trip</b>", 0.9, 1, (0.06, 0.03, 0.01)),
    ("doubt.jpg", "", 0.3, 0, (0.4, 0.2, 0.1)),
    ("second.jpg", "<b>trip</b>", 0.02, 0, (0.96, 0.01, 0.005)),
]
NAMES = [answer[0] for answer in ANSWERS]


def jpeg(colour):
    file = io.BytesIO()
    Image.new("RGB", (96, 64), colour).save(file, "JPEG")
    return file.getvalue()


def heads(count, *, size, absent=()):
    """Heads of photos of 96 x 64 pixels, of COLOURS in turn, stored in `size` and twice as wide as high in truth."""
    matrices = np.tile(np.diag([size[1] / 96, size[0] / 64, 1]).astype(np.float32), (count, 1, 1))
    matrices[list(absent)] = np.nan
    pictures = np.zeros((count, *size, 3), np.uint8)
    pictures[:] = np.resize(COLOURS, (count, 3))[:, None, None]
    return Heads(images.View(pictures, matrices), np.full(count, 2.0))


def rows_of(answers):
    for name, encounter, none, new, probabilities in answers:
        if not probabilities:
            yield [name, encounter, *[""] * 6, "no head was found"]
        for rank, p in enumerate(probabilities):
            nearest = f"w_{rank}.jpg" if rank < 2 else ""
            yield [name, encounter, rank + 1, [SCRIPT, "b", "c"][rank], p, nearest, none, new, ""]


def show(workdir, answers=ANSWERS, *, pictured=True):
    """The page on some answers of a run of three whales, and its text."""
    photos = as_photos([0, 1, 2], files=[jpeg(COLOURS[i]) for i in range(3)])
    files = [jpeg(COLOURS[i % 4]) for i in range(len(answers))]
    new = as_photos([0] * len(answers), files=files, encounter=[answer[1] for answer in answers])
    new = new._replace(name=np.array([answer[0] for answer in answers]))
    write_csv(workdir / "candidates.csv", [COLUMNS, *rows_of(answers)])
    absent = [i for i, answer in enumerate(answers) if not answer[-1]]
    pair = (heads(len(answers), size=(32, 32), absent=absent), heads(3, size=(128, 256))) if pictured else None
    identify_page.write(workdir, new, photos=photos, heads=pair, run="<i>crops", error=0.05)
    text = (workdir / "report.html").read_text(encoding="utf-8")
    return Page(text), text


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    return show(tmp_path_factory.mktemp("page"))


def part(text, name):
    """The HTML of the card of a photo."""
    parts = text.split('<li class="card">')[1:]
    [card] = [each for each in parts if Page(each).text.startswith(name)]
    return card


def test_every_photo_has_a_card_and_the_doubtful_come_first(shown):
    _, text = shown
    cards = [Page(each).text for each in text.split('<li class="card">')[1:]]
    expected = [ODD, "second.jpg", "doubt.jpg", "sure.jpg", "blank.jpg"]  # the second is of the encounter of the first
    assert len(cards) == len(expected)
    assert all(card.startswith(name) for card, name in zip(cards, expected, strict=True))
    assert [card.startswith(f"{ODD} called new") for card in cards] == [True, *[False] * 4]
    assert ["no head was found" in card for card in cards] == [*[False] * 4, True]
    assert len(shown[0].select("section")) == 4


def test_none_of_these_stands_where_its_probability_puts_it(shown):
    _, text = shown
    for name, _, none, _, probabilities in ANSWERS:
        page = Page(part(text, name))
        places = [each for each in page.texts if each in (SCRIPT, "b", "c", "none of these")]
        assert len(places) == (4 if probabilities else 0)
        if probabilities:
            assert places.index("none of these") == sum(p > none for p in probabilities)
            assert f"none of these {100 * none:.1f} %" in page.text
            assert f"b {100 * probabilities[1]:.1f} %" in page.text
    assert "c < 0.1 %" in Page(part(text, "sure.jpg")).text


def test_pictures_lie_in_the_page_and_are_those_of_the_photos_they_name(shown):
    page, text = shown
    for name in NAMES:
        drawn = {values["alt"]: values for values in Page(part(text, name)).select("img")}
        expected = {f"The head on {name}": (320, COLOURS[NAMES.index(name) % 4])}
        expected |= {f"{SCRIPT} on w_0.jpg": (200, COLOURS[0]), "b on w_1.jpg": (200, COLOURS[1])}
        assert drawn.keys() == (set() if name == "blank.jpg" else expected.keys())
        for alt, values in drawn.items():
            width, colour = expected[alt]
            with Image.open(
                io.BytesIO(base64.b64decode(values["src"].removeprefix("data:image/webp;base64,")))
            ) as file:
                assert (file.format, *file.size) == ("WEBP", width, width // 2)
                assert (int(values["width"]), int(values["height"])) == file.size
                assert np.abs(np.asarray(file, float).mean((0, 1)) - colour).max() < 6
    assert page.text.count("no photo of it was compared") == 4


def test_names_are_text_and_nothing_is_asked_of_another_machine(shown):
    page, text = shown
    assert len(page.select("script")) == 1
    assert not page.select("b") + page.select("i")
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    assert {"link", "iframe", "object", "base"}.isdisjoint(tag for tag, _ in page.elements)
    assert "Encounter <b>trip</b>" in page.text
    addresses = [values[key] for _, values in page.elements for key in ("src", "href", "srcset") if key in values]
    assert all(re.fullmatch(r"#[\w-]+|data:image/webp;base64,[\w+/=]+", address) for address in addresses)
    bare = re.sub(r'"data:image/webp;base64,[\w+/=]+"', "", text)
    assert not re.search(r"http|@import|url\(|fetch\(|//", bare)
    targets = {values["id"] for _, values in page.elements if "id" in values}
    assert {address[1:] for address in addresses if address.startswith("#")} <= targets
    assert all(label["for"] in targets for label in page.select("label"))


def test_the_top_counts_and_says_the_error_in_words(shown):
    page, _ = shown
    assert "photos 5 called new 1 without an answer 1" in page.text
    assert "at most 5 % of the photos of known whales are called new" in page.text
    assert "in that order" not in page.text


def test_a_run_that_compares_no_heads_has_a_page_without_pictures(tmp_path):
    page, text = show(tmp_path, pictured=False)
    assert not page.select("img")
    assert "the page has no pictures" in page.text
    assert "no head was found" in Page(part(text, "blank.jpg")).text


def test_a_candidate_of_a_gallery_is_shown_by_its_photo_there(tmp_path):
    photos = as_photos([0, 1], files=[jpeg(COLOURS[i]) for i in range(2)])._replace(whales=("a", "b"))
    new = as_photos([-1, 0, 1], files=[jpeg(COLOURS[i]) for i in range(3)])
    new = new._replace(
        name=np.array(["query.jpg", "gallery/w_0.jpg", "gallery/w_1.jpg"]), whale=np.array(["", "joined", "a"])
    )
    rows = [["query.jpg", "", 1, "joined", 0.6, "gallery/w_0.jpg", 0.1, 0, ""]]
    rows += [["query.jpg", "", 2, "b", 0.2, str(photos.name[1]), 0.1, 0, ""]]
    write_csv(tmp_path / "candidates.csv", [COLUMNS, *rows])
    view = heads(3, size=(32, 32))
    identify_page.write(tmp_path, new, photos=photos, heads=(view, heads(2, size=(128, 256))), run="crops", error=0.05)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "knows 2 whales; 2 photos of a gallery added 1 whale." in page.text
    drawn = {values["alt"]: values["src"] for values in page.select("img")}
    assert drawn.keys() == {"The head on query.jpg", "joined on gallery/w_0.jpg", f"b on {photos.name[1]}"}
    for src in (drawn["joined on gallery/w_0.jpg"], drawn[f"b on {photos.name[1]}"]):
        with Image.open(io.BytesIO(base64.b64decode(src.partition(",")[2]))) as file:
            assert np.abs(np.asarray(file, float).mean((0, 1)) - COLOURS[1]).max() < 6


def test_of_many_photos_the_first_in_order_are_shown_and_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(identify_page, "MOST", 2)
    page, text = show(tmp_path)
    assert all(part(text, name) for name in (ODD, "second.jpg"))
    assert text.count('<li class="card">') == 2
    assert "shows the first 2 of 5 photos" in page.text
    assert "candidates.csv" in page.text


def test_heads_are_those_of_the_first_second_look_and_crops_are_as_wide_as_heads(tmp_path):
    def finished(folder, **config):
        (tmp_path / folder).mkdir(parents=True)
        json_files.write(tmp_path / folder / "config.json", config)
        json_files.write(tmp_path / folder / "result.json", {})
        return Stage(tmp_path / folder, config, {})

    for folder, count in {"run/described": 3, "june/described": 4}.items():
        finished(folder, program="align", inputs={}, frame="whole", aspect=2.0)
        view = heads(count, size=(32, 32)).view
        np.save(tmp_path / folder / "images.npy", view.images)
        np.save(tmp_path / folder / "matrices.npy", view.matrices)
    finished("run/phase", program="rerank", inputs={"view": "moved/described"})
    fused = finished("run/fused", program="fuse", inputs={"phase": "moved/phase"})
    folders = {"described": str(tmp_path / "june" / "described")}
    new, photos = identify_page.find_heads(fused, folders)
    assert [len(new.view.images), len(photos.view.images)] == [4, 3]
    assert new.aspect.tolist() == [2.0] * 4
    assert identify_page.find_heads(fused, {}) is None
    alone = finished("run/alone", program="fuse", inputs={})
    assert identify_page.find_heads(alone, folders) is None
