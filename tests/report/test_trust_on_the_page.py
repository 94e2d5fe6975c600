"""By the tables beside candidates.csv, the page answers encounters together and says how far answers can be trusted."""

import re

import numpy as np
import pytest

from tests.data.folders import write_csv
from tests.report.test_catalogue_page import Page
from tests.report.test_identify_page import ANSWERS, COLUMNS, NAMES, ODD, SCRIPT, part, show
from whale_jax.data import validation
from whale_jax.evaluation.reliability import Reliability
from whale_jax.report import answers

TRIP = "<b>trip</b>"
TOGETHER = [(1, SCRIPT, 0.7, 0.1, 0), (2, "b", 0.15, 0.1, 0), (3, "c", 0.04, 0.1, 0), (4, "d", 0.01, 0.1, 0)]


def add_tables(workdir, *, together=TOGETHER):
    """The tables beside candidates.csv: of the trip, of a validation of a thousand photos, and of the points."""
    rows = [[TRIP, ODD, rank, whale, p, "", none, new, ""] for rank, whale, p, none, new in together]
    write_csv(workdir / "encounters.csv", [["encounter", "Image", *COLUMNS[2:]], *rows])
    probability = np.linspace(0, 1, 1000)
    case = Reliability(probability, np.where(probability > 0.7, 1, 3))
    validation.write(workdir / validation.FILE, map(str, range(1000)), reliability=case)
    sources = zip(NAMES, ["table", "predicted", "moved"], strict=False)
    marks = ["12.5", "30", "10", "31.25"]
    rows = [[name, *(marks if source else [""] * 4), source] for name, source in sources]
    write_csv(workdir / "points.csv", [answers.POINTS_COLUMNS, *rows])


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    """The page with all tables beside candidates.csv."""
    workdir = tmp_path_factory.mktemp("trusted")
    add_tables(workdir)
    return show(workdir)


def links(text):
    """The text of each link of the side list."""
    return [Page(each.split("</li>")[0]).text for each in text.split("<nav")[1].split("</nav>")[0].split("<li>")[1:]]


def test_an_encounter_shows_the_answer_of_its_photos_together_and_is_listed_by_it(trusted):
    page, text = trusted
    answer = f"Both photos together: {SCRIPT} 70.0 % , b 15.0 % , c 4.0 % , none of these 10.0 %"
    assert answer.replace(" ", "") in page.text.replace(" ", "")
    assert "d 1.0 %" not in page.text
    assert links(text) == ["doubt.jpg 40.0 %", f"{TRIP} 70.0 %", "sure.jpg 95.0 %", "blank.jpg no answer"]
    assert "called new 1 encounter of several photos 1 of them called new 0 without" in page.text


def test_an_encounter_that_is_called_new_says_so(tmp_path):
    add_tables(tmp_path, together=[(1, "b", 0.15, 0.8, 1)])
    page, text = show(tmp_path)
    header = Page(text.split('class="together"')[1].split("</p>")[0]).text
    assert header.endswith("none of these 80.0 % called new")
    assert links(text)[0] == f"{TRIP} new"
    assert "encounter of several photos 1 of them called new 1 without" in page.text


def test_photos_without_an_answer_are_not_counted_among_those_together(tmp_path):
    add_tables(tmp_path)
    answers = [(name, TRIP, *answer) for name, _, *answer in ANSWERS]
    assert "The 4 photos with an answer together:" in show(tmp_path, answers)[0].text
    answers = [(name, TRIP, none, new, p if name == ODD else ()) for name, _, none, new, p in ANSWERS]
    assert "The one photo with an answer together:" in show(tmp_path, answers)[0].text


def test_every_answer_has_its_words_and_the_source_of_its_points(trusted):
    _, text = trusted
    cards = {name: Page(part(text, name)).text for name in NAMES}
    right = {
        name: re.findall(r"Of 100 answers about as sure as this one, (\d+) were right", cards[name]) for name in NAMES
    }
    assert right == {"sure.jpg": ["100"], "blank.jpg": [], ODD: ["0"], "doubt.jpg": ["0"], "second.jpg": ["100"]}
    sources = {"sure.jpg": "of the table", "blank.jpg": "predicted", ODD: "moved by a person"}
    for name, card in cards.items():
        assert ("points:" in card) == (name in sources)
        assert f"points: {sources.get(name, '')}" in card or name not in sources


def test_the_curve_can_be_read_without_seeing_it(trusted):
    page, _ = trusted
    [curve] = page.select("svg", role="img")
    assert "k = 1: 30 %. k = 2: 30 %." in curve["aria-label"]
    assert "On 1,000 validation photos of known whales, the right whale came first for 30 %." in page.text
    [line] = page.select("polyline")
    points = np.array([pair.split(",") for pair in line["points"].split()], float)
    grid = sorted(float(each["y1"]) for each in page.select("line", **{"class": "grid"}))
    assert len(points) == 2  # of three whales, the first and the second
    share = (grid[-1] - points[:, 1]) / (grid[-1] - grid[0])
    assert share == pytest.approx([0.3, 0.3], abs=1e-3)


def test_without_the_tables_beside_it_the_page_says_nothing_of_them(tmp_path):
    page, _ = show(tmp_path)
    assert not page.select("svg")
    assert not {"together:", "points:", "validation", "Validation"} & set(page.text.split())
