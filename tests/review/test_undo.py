"""What is taken back is what the button and the key say, and a slow answer changes nothing that a person looks at."""

import pytest

from tests.review.drawn import ODD, WHALES
from tests.review.test_browser import decisions, expect, session, shows, url, window

__all__ = ["session", "url", "window"]

pytestmark = pytest.mark.slow


def hold(window, path):
    """Holds requests for a path back; returns a function that waits for the first, and lets it go on."""
    requests = []
    window.page.route(f"**{path}", lambda route: requests.append(route))

    def release():
        while not requests:
            window.page.wait_for_timeout(20)
        requests[0].continue_()

    return release


def click_blowhead(window):
    """Moves the blowhead of the photo that is shown by a click."""
    window.press("w", "h")
    expect(window.find(".frame img")).to_have_js_property("complete", True)
    box = window.find(".frame img").bounding_box()
    window.page.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)


def test_a_decision_is_taken_back_and_the_points_that_were_moved_since_stay(window, session):
    window.press("1")
    shows(window, ODD)
    window.press("ArrowLeft")
    shows(window, "photo_0.jpg")
    click_blowhead(window)
    expect(window.find("#status")).to_contain_text("Kept")
    points = session.state()["photos"][0]["points"]
    window.find("#take-back").click()
    expect(window.find("#status")).to_have_text("Taken back. photo_0.jpg: undecided.")
    assert decisions(session)[0] is None
    assert session.state()["photos"][0]["points"] == points
    expect(window.find("#pooled")).to_contain_text("Before points were moved, all photos together")
    window.press("z")  # what is left of this window
    expect(window.find("#undo")).to_be_disabled()
    assert session.state()["photos"][0]["points"] == [[600, 200], [300, 400]]
    expect(window.find("#pooled")).to_contain_text("All 2 photos together")


def test_undo_waits_for_points_that_are_on_their_way(window, session):
    window.press("1")
    shows(window, ODD)
    release = hold(window, "/api/points")
    click_blowhead(window)
    window.press("z")
    expect(window.find("main")).to_have_attribute("aria-busy", "true")
    release()
    expect(window.find("#status")).to_contain_text(f"Taken back. {ODD}")
    assert decisions(session)[0] == WHALES[0]
    assert session.state()["photos"][1]["points"] == [[600, 200], [300, 400]]


def test_who_has_gone_on_stays_there_when_the_decision_is_kept(window, session):
    release = hold(window, "/api/decide")
    window.press("1", "ArrowRight", "ArrowRight")
    shows(window, "photo_2.jpg")
    release()
    expect(window.find("#status")).to_have_text(f"photo_0.jpg: {WHALES[0]}.")
    shows(window, "photo_2.jpg")
    assert decisions(session)[0] == WHALES[0]
