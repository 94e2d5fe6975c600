"""Whoever has no mouse, or does not see the page, can do all of it and is told what has happened."""

import pytest

from tests.review.drawn import ODD, WHALES
from tests.review.test_browser import decisions, expect, session, shows, url, window

__all__ = ["session", "url", "window"]

pytestmark = pytest.mark.slow


def test_each_step_says_which_photo_came_and_who_is_likeliest(window):
    status = window.find("#status")
    window.press("ArrowRight")
    expect(status).to_have_text(f"{ODD}: {WHALES[1]} 50.0\u00a0%.")
    window.find("#next").press("Enter")
    expect(status).to_have_text(f"photo_2.jpg, called new: {WHALES[2]} 50.0\u00a0%.")
    window.press("ArrowRight")
    expect(status).to_have_text("photo_3.jpg: no answer.")
    window.press("w")
    expect(status).to_have_text("The whole photo is shown.")
    window.press("Escape")
    expect(status).to_have_text("The candidates are shown.")
    window.press("?", "Escape")
    expect(status).to_be_empty()
    assert status.text_content() == ""  # what was said is not said again when a dialog closes


def test_points_are_set_by_keys_alone_and_none_is_sent_that_nobody_has_moved(window, session):
    window.press("ArrowRight", "ArrowRight", "ArrowRight", "w", "b")
    bonnet, blowhead = window.find(".point.bonnet"), window.find(".point.blowhead")
    expect(bonnet).to_be_focused()
    expect(bonnet).to_have_attribute("aria-valuetext", "column 540, line 300")
    window.press("Shift+ArrowRight", "h")
    expect(blowhead).to_be_focused()
    window.find("#show-candidates").focus()  # leaves a point near the middle, where the page has put it
    expect(window.find("#status")).to_contain_text("Not kept yet")
    window.press("w")
    expect(window.find("#status")).to_contain_text("The point is not kept, since the other is not set. The candidates")
    window.press("w")
    assert not session.events
    window.press("b", "ArrowUp", "h", "ArrowDown")
    expect(window.find("#status")).to_contain_text("photo_3.jpg is being matched again.")
    [(_, row, kind, (first, second))] = session.events
    assert (row, kind) == (3, "move")
    assert first[0] == pytest.approx(540, abs=1)
    assert second[0] == pytest.approx(360, abs=1)
    assert first[1] < 300 < second[1]
    place = f"bonnet at 540, {round(first[1])}; blowhead at 360, {round(second[1])}"
    expect(window.find("#status")).to_have_text(f"Kept: {place}. photo_3.jpg is being matched again.")
    number = int(blowhead.get_attribute("aria-valuenow"))
    window.press("ArrowDown")
    assert number < int(blowhead.get_attribute("aria-valuenow")) <= int(blowhead.get_attribute("aria-valuemax"))


def test_a_point_that_gets_the_focus_takes_the_caret_out_of_texts_that_are_written_anew(window):
    caret = "() => getSelection().rangeCount"
    window.press("w")
    window.page.evaluate("() => getSelection().collapse(document.getElementById('words').firstChild, 3)")
    assert window.page.evaluate(caret) == 1
    window.press("b")
    expect(window.find(".point.bonnet")).to_be_focused()
    assert window.page.evaluate(caret) == 0
    window.press("ArrowUp")
    expect(window.find("#status")).to_contain_text("is being matched again.")
    assert window.page.evaluate(caret) == 0


def test_single_keys_can_be_turned_off_and_stay_so(window, session):
    window.press("?")
    window.find("#single-keys").uncheck()
    window.press("Escape", "1", "u", "/", "ArrowRight")
    shows(window, ODD)
    window.page.reload()
    shows(window, ODD)
    window.press("2", "s", "ArrowLeft")
    shows(window, "photo_0.jpg")
    assert decisions(session) == dict.fromkeys(range(12))
    window.find(".confirm").first.press("Enter")
    shows(window, ODD)
    assert decisions(session)[0] == WHALES[0]


def test_a_key_of_the_keypad_decides_by_what_it_writes(window, session):
    window.press("Numpad1", "Numpad3")  # "End" and "PageDown", as without NumLock
    shows(window, "photo_0.jpg")
    assert not session.events
    window.press("Shift+Numpad2")  # "2", and with Shift all photos of the second
    expect(window.find("#panel-title")).to_have_text(f"All photos of {WHALES[1]}")


def test_the_focus_goes_along_the_list(window):
    window.find("#list a").first.focus()
    window.press("ArrowDown", "ArrowDown")
    expect(window.find("#list a").nth(2)).to_be_focused()
    assert window.page.evaluate("() => document.activeElement.textContent").startswith("photo_2.jpg")


def test_the_focus_stays_where_a_person_reads(window):
    window.press("1")
    shows(window, ODD)
    window.press("ArrowLeft")
    window.find("#take-back").press("Enter")
    expect(window.find("#name")).to_be_focused()
    window.press("w", "+")
    expect(window.find(".scroll")).to_have_attribute("tabindex", "0")
    window.find(".scroll").focus()
    window.press("ArrowRight")  # scrolls
    shows(window, "photo_0.jpg")
    assert window.page.evaluate("() => document.activeElement.className").startswith("scroll")


def test_the_probability_is_told_with_the_button_that_confirms(window):
    described = (
        """id => document.getElementById(document.querySelector(id).getAttribute("aria-describedby")).innerText"""
    )
    assert window.page.evaluate(described, ".confirm") == f"{WHALES[0]} 50.0\u00a0%"
    assert window.page.evaluate(described, ".none button") == "none of these 20.0\u00a0%"
    assert window.find("#list a").first.text_content() == "photo_0.jpg, undecided"
