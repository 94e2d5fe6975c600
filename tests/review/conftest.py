"""A server of a drawn session, and what its page sends."""

import httpx
import pytest

from tests.review.drawn import DrawnSession
from whale_jax.review import server

ACTIONS = {
    "/api/decide": {"row": 0, "kind": "whale", "whale": "whale_5", "reviewer": "Ann", "based_on": 0},
    "/api/undo": {"row": 0, "reviewer": "Ann", "based_on": 0},
    "/api/points": {"row": 0, "points": [[1, 2.5], [3, 4]], "reviewer": "Ann", "based_on": 0},
}


@pytest.fixture(scope="module")
def served():
    """A session, and a client of its server."""
    session = DrawnSession()
    with server.running(session, port=0) as (url, _), httpx.Client(base_url=url) as client:
        yield session, client


@pytest.fixture
def session(served):
    """The session, as it begins."""
    served[0].__init__()
    return served[0]


@pytest.fixture
def client(session, served):
    return served[1]
