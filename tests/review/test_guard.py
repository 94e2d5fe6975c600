"""The server answers to its own page alone, and no path that it is given reaches the disk."""

import http.client
import json

import pytest

from tests.review.conftest import ACTIONS
from whale_jax.review import server

ADDRESSES = [
    "/",
    "/static/review.js",
    "/api/state",
    "/api/changes?since=0&review=june",
    "/api/suggest",
    "/api/whale?name=whale_1",
]
ADDRESSES += ["/head/0.jpg?v=0", "/photo/0.jpg", "/reference/7.jpg"]
PATHS = ["/static/../server.py", "/static/..%2fserver.py", "/static/%2e%2e/server.py", "/static/..\\server.py"]
PATHS += ["/../../etc/passwd", "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/head/../../server.py"]
PATHS += ["/static/review.js%00", "/static/__init__.py"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::2]:{port}", ""]
)
@pytest.mark.parametrize("path", ["/", "/api/state", "/head/0.jpg", "/static/review.js"])
def test_a_host_that_is_not_this_machine_is_refused(client, host, path):
    answer = client.get(path, headers={"Host": host.format(port=client.base_url.port)})
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_this_machine_is_answered_by_each_of_its_names(client, host):
    assert client.get("/api/state", headers={"Host": f"{host}:{client.base_url.port}"}).status_code == 200


def test_it_listens_on_this_machine_alone():
    with server.listener(0) as connection:
        assert connection.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("path", ACTIONS)
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:{port}"])
def test_another_page_changes_nothing(client, session, path, origin):
    headers = {"Origin": origin.format(port=client.base_url.port)}
    assert client.post(path, json=ACTIONS[path], headers=headers).status_code == 403
    assert not session.events


def test_the_page_may_act_by_its_own_origin(client, session):
    origin = f"http://127.0.0.1:{client.base_url.port}"
    answer = client.post("/api/decide", json=ACTIONS["/api/decide"], headers={"Origin": origin})
    assert answer.json()["photos"][0]["decision"]["whale"] == "whale_5"
    assert [event[1:3] for event in session.events] == [(0, "decide")]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
@pytest.mark.parametrize("path", ACTIONS)
def test_a_form_is_no_action(client, session, path, kind):
    answer = client.post(path, content=json.dumps(ACTIONS[path]), headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert not session.events


@pytest.mark.parametrize("path", ACTIONS)
def test_an_action_is_no_get(client, path):
    assert client.get(path).status_code == 405


def test_each_answer_has_the_headers(client):
    for path in [*ADDRESSES, "/missing", "/head/3.jpg"]:
        headers = client.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["img-src"] == policy["connect-src"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        picture = headers["content-type"] == "image/jpeg"
        assert headers["cache-control"] == (server.AGE if picture else "no-store")


def test_a_mistake_of_the_program_is_told_and_has_the_headers_too(client, session):
    session.failure = ZeroDivisionError("x")
    answer = client.post("/api/decide", json=ACTIONS["/api/decide"])
    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.json()["error"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", PATHS)
def test_no_path_reaches_the_disk(client, path):
    connection = http.client.HTTPConnection("127.0.0.1", client.base_url.port)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    assert answer.status in (400, 404), text
    assert b"import" not in text
    assert b"root:" not in text
