"""Windows of the page that are not alone, small, crowded, or left by their server."""

import contextlib

import pytest

from tests.review import windows
from tests.review.drawn import ODD, WHALES, DrawnSession
from tests.review.test_browser import decisions, expect, session, shows, url, window
from whale_jax.review import server

__all__ = ["session", "url", "window"]

pytestmark = pytest.mark.slow


def test_a_second_window_gets_a_conflict_and_shows_the_decision_of_the_first(window, browser, session, url):
    second = windows.open_window(browser, url)
    second.find("#reviewer").fill("Ben")
    second.find("#name").click()
    window.press("1")
    shows(window, ODD)
    second.press("2")
    expect(second.find("#alert")).to_contain_text("photo_0.jpg was changed in another window by Ann")
    shows(second, "photo_0.jpg")
    expect(second.find("#decision")).to_contain_text(WHALES[0])
    assert decisions(session)[0] == WHALES[0]
    second.press("2")  # knowing of the first
    shows(second, ODD)
    expect(second.find("#alert")).to_be_hidden()
    assert decisions(session)[0] == WHALES[1]
    window.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    expect(window.find("#list a").first).to_contain_text(WHALES[1])
    window.press("z")  # of what the second has changed since, as this window has seen
    expect(window.find("#alert")).to_contain_text("in another window by Ben")
    assert decisions(session)[0] == WHALES[1]
    window.forgive("409")
    second.forgive("409")
    assert not second.flaws(url)


def test_a_window_that_gets_the_focus_shows_what_another_has_decided(window, session):
    session.decide(0, kind="whale", whale="whale_9", reviewer="Ben", based_on=0)
    window.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    expect(window.find("#decision")).to_contain_text("whale_9 by Ben")
    assert decisions(session)[0] == "whale_9"


def test_a_held_key_decides_once(window, session):
    window.page.keyboard.down("1")
    for _ in range(5):
        window.page.keyboard.down("1")  # as a key that is held repeats
    window.page.keyboard.up("1")
    shows(window, ODD)
    assert [event[1] for event in session.events] == [0]


def test_a_key_that_is_pressed_twice_decides_once(window, session):
    with session.lock:  # the server answers late
        window.press("1", "1")
    shows(window, ODD)
    window.press("u")
    shows(window, "photo_2.jpg")
    assert [event[1] for event in session.events] == [0, 1]


def test_a_server_that_ends_between_decisions_is_told_and_nothing_is_pretended(browser, session):
    with contextlib.ExitStack() as stack:
        url, _ = stack.enter_context(server.running(session, port=0))
        window = windows.open_window(browser, url)
        window.press("1")
        shows(window, ODD)
        stack.close()
        window.press("2")
        expect(window.find("#alert")).to_contain_text("does not answer")
        shows(window, ODD)
        expect(window.find("#count")).to_have_text("1 of 12 decided")
        expect(window.find("#decision")).to_be_hidden()
        port = int(url.rsplit(":", 1)[1].strip("/"))
        with server.running(session, port=port):
            expect(window.find("#alert")).to_contain_text("answers again")
            window.press("2")
            shows(window, "photo_2.jpg")
            expect(window.find("#alert")).to_be_hidden()
    assert decisions(session)[1] == WHALES[2]
    window.forgive("ERR_CONNECTION_REFUSED")
    assert not window.flaws(url)
    window.page.context.close()


def test_a_window_that_another_review_answers_shows_that_review(browser, session):
    july = DrawnSession(5)
    july.key = "july"
    with server.running(session, port=0) as (url, _):
        window = windows.open_window(browser, url)
        expect(window.find("#list a")).to_have_count(12)
    with server.running(july, port=int(url.rsplit(":", 1)[1].strip("/"))):
        window.press("1")
        expect(window.find("#list a")).to_have_count(5)
        assert not july.events
    window.page.context.close()


def test_a_decision_that_the_program_cannot_keep_is_told(window, session):
    session.failure = OSError("no space left")
    window.press("1")
    expect(window.find("#alert")).to_contain_text("no space left")
    shows(window, "photo_0.jpg")
    assert not session.events
    session.failure = None
    window.press("1")
    shows(window, ODD)
    assert [event[1] for event in session.events] == [0]
    window.forgive("500")


def test_two_thousand_photos_are_listed_and_reviewed(browser):
    session = DrawnSession(2000)
    with server.running(session, port=0) as (url, _):
        window = windows.open_window(browser, url)
        expect(window.find("#list a")).to_have_count(2000)
        window.press("1")
        shows(window, ODD)
        expect(window.find("#count")).to_have_text("1 of 2,000 decided")
        assert window.page.evaluate("() => document.querySelectorAll('*').length") < 15000
        assert window.page.evaluate("() => document.images.length") < 20
        assert not window.flaws(url)
        window.page.context.close()


@pytest.mark.parametrize("keys", ["", "w", "n", "/", "?", "Shift+Digit1"])
def test_nothing_is_wider_than_a_telephone(browser, url, keys):
    window = windows.open_window(browser, url, width=390, height=844)
    if keys:
        window.press(keys)
    window.page.wait_for_load_state("networkidle")
    assert window.page.evaluate("() => document.documentElement.scrollWidth") <= 390
    wide = "() => [...document.querySelectorAll('dialog[open]')].filter(d => d.scrollWidth > d.clientWidth).length"
    assert window.page.evaluate(wide) == 0
    window.page.context.close()


def test_ready_crops_have_no_points_to_move(browser):
    session = DrawnSession(ready_crops=True)
    with server.running(session, port=0) as (url, _):
        window = windows.open_window(browser, url)
        window.press("w")
        expect(window.find("#status")).to_contain_text("crops of heads")
        expect(window.find("#show-whole")).to_be_hidden()
        assert window.find(".frame").count() == 0
        window.page.context.close()
    assert not session.events


def test_the_curve_is_sentences_and_a_table(window):
    window.find("summary").click()
    expect(window.find("#looks-words")).to_contain_text("Of 1,234. Few.")
    expect(window.find("#looks-plot table tr").last).to_contain_text("91 %")
    assert window.find("#looks-plot svg").is_visible()


def test_each_control_has_a_name(window):
    window.press("w")
    nameless = """() => [...document.querySelectorAll("button, input, a, summary, img:not(a img)")].filter(control =>
      !(control.ariaLabel || control.textContent.trim() || control.labels?.length || control.alt)).length"""
    assert window.page.evaluate(nameless) == 0


def test_the_tab_key_leaves_the_list_and_every_dialog_gives_the_focus_back(window):
    window.find("#list a[aria-current]").focus()
    window.press("Tab")
    assert window.page.evaluate("() => document.getElementById('main').contains(document.activeElement)")
    window.find("#search").click()
    expect(window.find("#search-text")).to_be_focused()
    window.press("Escape")
    expect(window.find("#search")).to_be_focused()
