"""report.html is the page of review in one file: it answers as the server would, asks nobody, and keeps nothing."""

import base64
import json
import re
from urllib.parse import quote

import pytest

from tests.report.test_catalogue_page import Page
from tests.review import windows
from tests.review.drawn import ODD, SCRIPT, WHALES, DrawnSession
from tests.review.test_browser import expect, shows
from whale_jax.review import mail


def written(folder, session, **limits):
    """The number of photos on the page, what it would answer, and its text."""
    count = mail.write(folder, session, **limits)
    text = (folder / mail.FILE).read_text(encoding="utf-8")
    [script] = re.findall(r'<script type="application/json" id="report">(.*?)</script>', text, re.DOTALL)
    return count, json.loads(script), text


def picture(address):
    return base64.b64decode(re.fullmatch(r"data:image/(?:jpeg|webp);base64,([\w+/=]+)", address)[1])


def test_it_answers_as_the_server_would(client, session, tmp_path):
    count, answers, _ = written(tmp_path, session)
    state = client.get("/api/state").json()
    assert count == len(state["photos"])
    facts = {"token": "", "total": count, "whales": [whale for whale in WHALES if whale in map_of(state)]}
    assert answers["/api/state"] == {**state, **facts}
    paths = {path for path in answers if path.endswith(".jpg")}
    heads, photos = ({f"/{kind}/{row}.jpg" for row in range(count)} for kind in ("head", "photo"))
    assert paths == heads - {"/head/3.jpg"} | photos | {f"/reference/{100 + i}.jpg" for i in range(7)}
    for path in sorted(paths):
        assert picture(answers[path]) == client.get(path).content
    for whale in map_of(state):
        path = f"/api/whale?name={quote(whale, safe=mail.PLAIN)}"
        assert answers[path] == client.get(path).json()
    assert client.get("/head/3.jpg").status_code == 404


def map_of(state):
    """The whales that are candidates on the page."""
    return {entry["whale"] for photo in state["photos"] for entry in photo["candidates"][: mail.LISTED]}


def test_it_asks_for_nothing_and_takes_names_for_text(tmp_path):
    _, _, text = written(tmp_path, DrawnSession())
    page = Page(text)
    assert len(page.select("script")) == 3
    assert {"link", "iframe", "object", "base", "img"}.isdisjoint(tag for tag, _ in page.elements)
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]
    addresses = [values[key] for _, values in page.elements for key in ("src", "href", "srcset") if key in values]
    assert addresses == ["#main"]
    assert SCRIPT not in text
    assert not re.search(r"https?:|@import|url\(", text)


def test_photos_come_in_the_order_of_review_until_the_page_is_full(tmp_path):
    session = DrawnSession()
    first = len(session.head(0)) + len(session.photo(0)) + 7 * len(session.reference(100))
    assert written(tmp_path, session, room=first - 1)[0] == 1
    count, answers, _ = written(tmp_path, session, room=first + 100)
    assert count == 2
    assert answers["/api/state"]["total"] == 12
    assert [photo["name"] for photo in answers["/api/state"]["photos"]] == ["photo_0.jpg", ODD]
    assert set(answers["/api/state"]["whales"]) == {WHALES[i] for i in range(6)}
    assert "/head/2.jpg" not in answers


def test_ready_crops_have_no_whole_photos(tmp_path):
    _, answers, _ = written(tmp_path, DrawnSession(ready_crops=True))
    assert not [path for path in answers if path.startswith("/photo/")]


@pytest.fixture
def window(browser, tmp_path):
    mail.write(tmp_path, DrawnSession())
    window = windows.open_window(browser, (tmp_path / mail.FILE).as_uri())
    yield window
    foreign = [address for address in window.addresses if not address.startswith(("data:", tmp_path.as_uri()))]
    window.page.context.close()
    assert not window.errors + foreign


@pytest.mark.slow
def test_the_file_is_looked_through_by_keys(window):
    expect(window.find("#count")).to_have_text("12 photos, 2 called new, 1 without an answer")
    expect(window.find("#list a").first).to_have_text(f"photo_0.jpg, {SCRIPT} 50.0\u00a0%")
    expect(window.find("#head img")).to_have_js_property("naturalWidth", 320)
    window.press("2")
    expect(window.find("#panel-title")).to_have_text(f"All photos of {WHALES[1]}")
    expect(window.find("#panel img")).to_have_count(7)
    window.press("Escape", "w")
    expect(window.find(".frame img")).to_have_js_property("naturalWidth", 900)
    expect(window.find(".point:visible")).to_have_count(2)
    window.press("ArrowRight")
    shows(window, ODD)
    window.page.reload()
    shows(window, ODD)
    window.press("/")
    window.page.keyboard.type("whale_9")
    window.press("Enter")
    expect(window.find("#panel-title")).to_have_text("All photos of whale_9")
    assert window.find("main i, main b, main script").count() == 0


@pytest.mark.slow
def test_nothing_can_be_decided_on_a_file(window):
    window.press("1", "Escape", "n", "u", "s", "z", "c", "w", "b", "h")
    box = window.find(".frame").bounding_box()
    window.page.mouse.click(box["x"] + 50, box["y"] + 50)
    shows(window, "photo_0.jpg")
    window.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    expect(window.find("#alert")).to_be_hidden()
    expect(window.find("dialog[open]")).to_have_count(0)
    window.press("Escape", "?")
    words = ("Confirm", "New individual", "Unusable", "Skip", "Undo", "Reviewer", "undecided", "confirms")
    text = window.page.evaluate("() => document.body.innerText").replace("Skip to the photo", "")
    assert not [word for word in words if word in text]


@pytest.mark.slow
def test_the_file_is_no_wider_than_a_telephone(browser, tmp_path):
    mail.write(tmp_path, DrawnSession())
    window = windows.open_window(browser, (tmp_path / mail.FILE).as_uri(), width=390, height=844)
    for key in ("1", "Escape", "w"):
        window.press(key)
        assert window.page.evaluate("() => document.documentElement.scrollWidth") <= 390
    window.page.context.close()
