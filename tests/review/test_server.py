"""The server gives the page and what it asks for, tells the session's refusals, and ends when it is asked to."""

import os
import re
import signal
import socket
import threading

import httpx
import pytest

from tests.review.conftest import ACTIONS
from tests.review.drawn import SCRIPT, WHALES
from whale_jax.review import server
from whale_jax.runtime.errors import InputError, PreemptedError

MISSING = ["/head/3.jpg", "/head/12.jpg", "/head/-1.jpg", "/head/x.jpg", "/head/%C2%B2.jpg", f"/photo/{'9' * 5000}.jpg"]
MISSING += [
    "/reference/1000.jpg",
    "/reference/1e2.jpg",
    "/static/missing.js",
    "/static/",
    "/api/changes?since=-1&review=june",
]
MISSING += ["/nothing"]


def files(client):
    """Path and text of the page and of all that it loads, which it names itself."""
    texts, waiting = {}, {"/"}
    while waiting:
        path = waiting.pop()
        answer = client.get(path)
        assert answer.status_code == 200, path
        texts[path] = answer.text
        names = re.findall(r'(?:href|src)="(/static/[^"]+)"', answer.text)
        names += [f"/static/{name}" for name in re.findall(r'from "\./([^"]+)"', answer.text)]
        waiting |= set(names) - set(texts)
    return texts


def test_the_page_loads_what_is_served_and_names_no_other_machine(client):
    texts = files(client)
    assert {path.rpartition("/")[2] for path in texts} >= {
        "review.js",
        "heads.js",
        "review.css",
        "look.css",
        "icon.svg",
    }
    named = {
        address for text in texts.values() for address in re.findall(r"(?:https?:)?//[a-z][\w.-]*\.\w+[\w/]*", text)
    }
    assert named <= {"http://www.w3.org/2000/svg"}  # the name of a language, which nothing fetches


def test_names_reach_the_page_as_text_alone(client):
    code = "".join(files(client).values())
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|srcdoc", code)


def test_pictures_are_jpeg(client):
    for path in ("/head/0.jpg", "/photo/0.jpg", "/reference/7.jpg"):
        answer = client.get(path)
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.content[:2] == b"\xff\xd8"


@pytest.mark.parametrize("path", MISSING)
def test_what_does_not_exist_is_not_served(client, path):
    assert client.get(path).status_code == 404


def test_a_photo_that_does_not_exist_is_told(client):
    assert client.post("/api/decide", json={**ACTIONS["/api/decide"], "row": 99}).status_code == 404


def test_what_the_session_refuses_is_told_in_its_words(client):
    answer = client.post("/api/decide", json={**ACTIONS["/api/decide"], "kind": "new", "whale": SCRIPT})
    assert (answer.status_code, answer.json()["error"]) == (422, f"{SCRIPT} is a whale of the run")


def test_a_window_that_has_not_seen_the_last_decision_gets_it(client):
    client.post("/api/decide", json=ACTIONS["/api/decide"])
    answer = client.post("/api/decide", json={**ACTIONS["/api/decide"], "whale": "whale_6", "reviewer": "Ben"})
    assert answer.status_code == 409
    assert answer.json()["photo"]["decision"]["whale"] == "whale_5"
    assert "photo_0.jpg" in answer.json()["error"]


def test_changes_are_those_since_an_event(client):
    for row in (0, 2):
        client.post("/api/decide", json={**ACTIONS["/api/decide"], "row": row})
    changes = client.get("/api/changes?since=1&review=june").json()
    assert [photo["row"] for photo in changes["photos"]] == [2]
    assert changes["number"] == 2


@pytest.mark.parametrize("review", [{"review": "july"}, {"review": ""}])
def test_a_window_of_another_review_changes_nothing(client, session, review):
    for path, action in ACTIONS.items():
        assert client.post(path, json={**action, **review}).status_code == 410
    assert client.get("/api/changes", params={"since": 0, **review}).status_code == 410
    assert not session.events


def test_an_undo_takes_back_the_event_that_it_names(client):
    number = client.post("/api/decide", json=ACTIONS["/api/decide"]).json()["photos"][0]["number"]
    undo = {**ACTIONS["/api/undo"], "based_on": number}
    assert client.post("/api/undo", json={**undo, "event": number + 1}).status_code == 409
    assert client.post("/api/undo", json={**undo, "event": number}).json()["photos"][0]["decision"] is None


def test_points_arrive_as_they_were_sent(client, session):
    photo = client.post("/api/points", json=ACTIONS["/api/points"]).json()["photos"][0]
    assert photo["points"] == [[1.0, 2.5], [3.0, 4.0]]
    assert session.events[0][2:] == ("move", [[1.0, 2.5], [3.0, 4.0]])


def test_state_has_the_session_and_a_token_of_its_start(client, session):
    state = client.get("/api/state").json()
    token = state.pop("token")
    assert state == session.state()
    with server.running(session, port=0) as (url, _):
        assert httpx.get(f"{url}api/state").json()["token"] != token


def test_a_whale_is_looked_up_by_its_name_as_it_is(client):
    names = [photo["name"] for photo in client.get("/api/whale", params={"name": WHALES[0]}).json()]
    assert names[0] == f"{SCRIPT} 0.jpg"


def test_a_busy_port_says_what_to_do(session):
    with socket.create_server(("127.0.0.1", 0)) as busy, pytest.raises(InputError, match=r"config\.port=0"):
        server.serve(session, port=busy.getsockname()[1], opened=print)


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, PreemptedError)])
def test_a_signal_ends_the_server_and_is_not_swallowed(session, number, error):
    def stop(*_):
        raise error

    def ask(url):
        try:
            httpx.get(url, timeout=60)  # meanwhile the main thread comes to wait
        finally:
            os.kill(os.getpid(), number)

    def opened(url):
        addresses.append(url)
        threading.Thread(target=ask, args=(url,)).start()

    addresses = []
    before = signal.signal(number, stop)
    try:
        with pytest.raises(error):
            server.serve(session, port=0, opened=opened)
        assert sum("review" in thread.name for thread in threading.enumerate()) == 1  # that of the fixture
    finally:
        signal.signal(number, before)
    with pytest.raises(httpx.ConnectError):
        httpx.get(addresses[0])
