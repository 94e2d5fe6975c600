"""The page in a browser: keys and mouse decide, and what the window shows is what the server has kept."""

import re

import pytest

from tests.review import windows
from tests.review.drawn import ODD, SCRIPT, WHALES, DrawnSession
from whale_jax.review import server

pytestmark = pytest.mark.slow


def expect(locator):
    """Waits until a locator is as a test says; on a busy machine, that takes a while."""
    from playwright.sync_api import expect

    expect.set_options(timeout=30_000)
    return expect(locator)


@pytest.fixture
def session():
    return DrawnSession()


@pytest.fixture
def url(session):
    with server.running(session, port=0) as (url, _):
        yield url


@pytest.fixture
def window(browser, url):
    window = windows.open_window(browser, url)
    yield window
    flaws = window.flaws(url)
    window.page.context.close()
    assert not flaws


def shows(window, name):
    expect(window.find("#name")).to_contain_text(name)


def decisions(session):
    return {photo["row"]: photo["decision"] and photo["decision"]["whale"] for photo in session.state()["photos"]}


@pytest.mark.parametrize("rank", range(1, 6))
def test_a_digit_confirms_that_candidate_and_goes_on(window, session, rank):
    window.press(str(rank))
    shows(window, ODD)
    assert decisions(session)[0] == WHALES[rank - 1]
    expect(window.find("#status")).to_contain_text(f"photo_0.jpg: {WHALES[rank - 1]}.")
    expect(window.find("#count")).to_have_text("1 of 12 decided")


@pytest.mark.parametrize(("key", "button", "kind"), [("u", "#unusable", "unusable"), ("s", "#skip-photo", "skip")])
def test_a_photo_is_unusable_or_skipped_by_key_and_by_mouse(window, session, key, button, kind):
    window.press(key)
    shows(window, ODD)
    window.find(button).click()
    shows(window, "photo_2.jpg")
    photos = session.state()["photos"]
    assert [photo["decision"] and photo["decision"]["kind"] for photo in photos[:3]] == [kind, kind, None]


def test_the_mouse_confirms_a_candidate(window, session):
    window.find(".candidates .confirm").nth(2).click()
    shows(window, ODD)
    assert decisions(session)[0] == WHALES[2]


def test_none_of_these_stands_at_the_place_of_its_probability(window):
    names = window.find(".candidates > li strong").all_text_contents()
    assert names == [*WHALES[:2], "none of these", *WHALES[2:5]]


def test_a_new_individual_gets_the_suggested_name_and_others_can_choose_it(window, session):
    window.press("n")
    expect(window.find("#new-name")).to_have_value("new_1")
    window.press("u")  # a letter of a name and no key
    expect(window.find("#new-name")).to_have_value("u")
    window.page.keyboard.type("na")
    window.press("Enter")
    shows(window, ODD)
    window.find("#new").click()
    expect(window.find("#new-name")).to_have_value("new_1")
    window.find("#new-names button").click()
    expect(window.find("#new-name")).to_have_value("una")
    window.find("#new-confirm").click()
    shows(window, "photo_2.jpg")
    assert decisions(session)[0] == decisions(session)[1] == "una"


def test_a_name_that_is_refused_stays_in_its_dialog_with_the_reason(window, session):
    window.press("n")
    expect(window.find("#new-name")).to_have_value("new_1")
    window.find("#new-name").fill("whale_4")
    window.press("Enter")
    expect(window.find("#new-error")).to_contain_text("whale_4 is a whale of the run")
    expect(window.find("#new-name")).to_have_value("whale_4")
    window.press("Escape")
    expect(window.find("#new-dialog")).to_be_hidden()
    window.forgive("422")
    assert not session.events


def test_arrows_go_from_photo_to_photo_and_decide_nothing(window, session):
    expect(window.find("#previous")).to_be_disabled()
    for key, name in [("ArrowRight", ODD), ("ArrowDown", "photo_2"), ("ArrowLeft", ODD), ("ArrowUp", "photo_0")]:
        window.press(key)
        shows(window, name)
    window.find("#next").click()
    window.find("#list a").nth(4).click()
    shows(window, "photo_4.jpg")
    window.press("Enter", "Control+1", "Alt+u", "Meta+s")
    assert not session.events


def test_the_filter_leaves_what_is_undecided(window):
    window.press("1")
    shows(window, ODD)
    window.find("#filter").check()
    expect(window.find("#list a:visible")).to_have_count(11)
    expect(window.find("#previous")).to_be_disabled()
    window.press("2")
    shows(window, "photo_2.jpg")
    expect(window.find("#list a:visible")).to_have_count(10)
    assert "photo_0.jpg" not in window.find("#list a:visible").all_inner_texts()[0]


def test_undo_takes_back_the_decisions_of_this_window_from_the_last_on(window, session):
    window.press("1")
    shows(window, ODD)
    window.press("2")
    shows(window, "photo_2")
    window.press("ArrowLeft", "3")  # decides again on the second
    expect(window.find("#status")).to_contain_text(f"{ODD}: {WHALES[3]}.")
    for row, whale in [(1, WHALES[2]), (1, None), (0, None)]:
        window.press("z")
        expect(window.find("#status")).to_contain_text(f"Taken back. {ODD if row else 'photo_0.jpg'}: {whale or 'und'}")
        assert decisions(session)[row] == whale
    expect(window.find("#undo")).to_be_disabled()
    window.press("z")
    expect(window.find("#status")).to_contain_text("no decision to take back")


def test_a_decision_that_is_shown_can_be_taken_back(window, session):
    window.press("1")
    shows(window, ODD)
    window.press("ArrowLeft")
    window.find("#take-back").click()
    expect(window.find("#decision")).to_be_hidden()
    assert not session.events


def test_all_photos_of_a_whale_stand_beside_the_head_until_escape(window, session):
    window.press("Shift+Digit2")
    expect(window.find("#panel-title")).to_have_text(f"All photos of {WHALES[1]}")
    expect(window.find("#panel img")).to_have_count(7)
    window.press("3")  # of a candidate that is not on the screen
    window.press("Escape")
    expect(window.find("#panel-title")).to_have_text("Candidates")
    assert not session.events
    window.find(".candidates .picture").first.click()
    expect(window.find("#panel-title")).to_have_text(f"All photos of {SCRIPT}")
    window.press("c")
    shows(window, ODD)
    assert decisions(session)[0] == SCRIPT


def test_a_whale_is_searched_by_its_name_shown_and_confirmed(window, session):
    window.press("/")
    window.page.keyboard.type("E_27")
    expect(window.find("#search-names button")).to_have_text(["whale_27"])
    window.press("Enter")
    expect(window.find("#panel-title")).to_have_text("All photos of whale_27")
    assert not session.events
    window.find("#confirm-whale").click()
    shows(window, ODD)
    assert decisions(session)[0] == "whale_27"


def test_help_names_each_key_and_closes(window):
    window.press("?")
    keys = " ".join(window.find("#help-dialog kbd").all_text_contents())
    assert all(key in keys for key in ("1 … 5", "Shift", "N", "U", "S", "Z", "/", "W", "B, H", "C", "?", "Esc"))
    window.press("u", "1")  # keys rest while a dialog is open
    window.press("Escape")
    expect(window.find("#help-dialog")).to_be_hidden()
    expect(window.find("#count")).to_have_text("0 of 12 decided")


def test_a_click_moves_the_point_and_the_photo_is_matched_again(window, session):
    window.press("w", "h")
    expect(window.find(".frame img")).to_have_js_property("complete", True)
    box = window.find(".frame img").bounding_box()
    before = window.find("#head img").get_attribute("src")
    window.page.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    expect(window.find("#status")).to_contain_text("matched again")
    bonnet, blowhead = session.state()["photos"][0]["points"]
    assert bonnet == [600, 200]
    assert blowhead == pytest.approx([299.5, 299.5], abs=1)
    assert window.find("#head img").get_attribute("src") != before
    window.press("w")
    expect(window.find("#panel-title")).to_contain_text("Matching again…")
    window.press("1")  # of candidates that may change
    session.match()
    expect(window.find("#panel-title")).to_have_text("Candidates")
    expect(window.find("#status")).to_have_text("The head has been matched again.")
    assert decisions(session)[0] is None
    window.press("z")
    expect(window.find("#status")).to_contain_text("Taken back")
    assert session.state()["photos"][0]["points"] == [[600, 200], [300, 400]]


def test_points_are_dragged_and_moved_by_arrow_keys(window, session):
    window.press("w")
    expect(window.find(".frame img")).to_have_js_property("complete", True)
    scale = 900 / window.find(".frame img").bounding_box()["width"]
    box = window.find(".point.bonnet").bounding_box()
    x, y = box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2 - 2
    window.page.mouse.move(x, y)
    window.page.mouse.down()
    window.page.mouse.move(x + 30, y + 20, steps=3)
    window.page.mouse.up()
    expect(window.find("#status")).to_contain_text("Kept")
    points = session.state()["photos"][0]["points"]
    assert points[0] == pytest.approx([600 + 30 * scale, 200 + 20 * scale], abs=0.2)
    window.page.mouse.click(x + 30 + 8, y + 20)  # on the mark of the chosen point, beside its middle
    expect(window.find("#status")).to_contain_text(f"bonnet at {round(600 + 41 * scale)}, ")
    window.find(".point.blowhead").focus()
    moved = pytest.approx([300 + 10 * scale, 400 - scale], abs=0.2)
    arrived = lambda response: response.json()["photos"][0]["points"][1] == moved  # noqa: E731
    with window.page.expect_response(lambda response: "/api/points" in response.url and arrived(response)):
        window.press("Shift+ArrowRight", "ArrowUp")
    assert session.state()["photos"][0]["points"][1] == moved
    expect(window.find(".point.blowhead")).to_be_focused()
    shows(window, "photo_0.jpg")


def test_points_of_a_photo_without_any_are_set_by_two_clicks(window, session):
    window.find("#list a").nth(3).click()
    expect(window.find("#panel")).to_contain_text("There are no candidates: no head was found. The whole photo (W)")
    window.press("w")
    expect(window.find(".frame img")).to_have_js_property("complete", True)
    window.find(".frame").click(position={"x": 200, "y": 100})
    assert not session.events
    window.find(".frame").click(position={"x": 100, "y": 100})
    expect(window.find("#status")).to_contain_text("Kept")
    bonnet, blowhead = session.state()["photos"][3]["points"]
    assert bonnet[0] == pytest.approx(2 * blowhead[0], abs=2)


def test_a_reload_shows_the_same_photo_and_what_was_decided(window, session):
    window.press("1")
    shows(window, ODD)
    window.find("#reviewer").fill("Ben")
    window.page.reload()
    shows(window, ODD)
    expect(window.find("#count")).to_have_text("1 of 12 decided")
    expect(window.find("#reviewer")).to_have_value("Ben")
    session.reviewer = "Cleo"  # whom the command of another review names
    window.page.reload()
    expect(window.find("#reviewer")).to_have_value("Cleo")
    window.page.goto(re.sub("#.*", "", window.page.url))
    shows(window, ODD)  # the first that is undecided
    assert [event[1] for event in session.events] == [0]


def test_names_are_shown_as_text(window):
    window.press("ArrowRight")
    shows(window, ODD)
    expect(window.find("#words")).to_contain_text("Encounter <b>trip 0.")
    window.press("ArrowLeft")
    expect(window.find(".candidates strong").first).to_have_text(SCRIPT)
    assert window.find("main i, main b, main script").count() == 0
    assert window.find("#head img").get_attribute("alt") == "The head on photo_0.jpg"
