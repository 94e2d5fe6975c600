"""A server of a drawn session, what its page sends, and finished answers to review."""

import httpx
import pytest

from configs import identify
from tests.data.folders import write_csv
from tests.finished_run import finish, write_photos
from tests.review import windows
from tests.review.drawn import DrawnSession
from whale_jax.review import server
from whale_jax.workflow import finished_runs, stage

ACTIONS = {
    "/api/decide": {"review": "june", "row": 0, "kind": "whale", "whale": "whale_5", "reviewer": "Ann", "based_on": 0},
    "/api/undo": {"review": "june", "row": 0, "event": 1, "reviewer": "Ann", "based_on": 0},
    "/api/points": {"review": "june", "row": 0, "points": [[1, 2.5], [3, 4]], "reviewer": "Ann", "based_on": 0},
}


@pytest.fixture(scope="module")
def served():
    """A session, and a client of its server."""
    session = DrawnSession()
    with server.running(session, port=0) as (url, _), httpx.Client(base_url=url, timeout=60) as client:
        yield session, client


@pytest.fixture
def session(served):
    """The session, as it begins."""
    served[0].__init__()
    return served[0]


@pytest.fixture
def client(session, served):
    return served[1]


@pytest.fixture(scope="module")
def browser():
    """A browser, for all tests of a file."""
    driver, browser = windows.launch()
    yield browser
    browser.close()
    driver.stop()


@pytest.fixture(scope="module")
def june(tmp_path_factory):
    """The folder of new photos, and that of the answers about them."""
    root, run, new, folder = (tmp_path_factory.mktemp(name) for name in ("root", "run", "new", "june"))
    finish(root, run, write=write_photos, frame="head")
    write_csv(new / "photos.csv", write_photos(new, [0, 0, 1, 2, 3, 4], start=100, named=False))
    config = identify.get_config(str(run))
    config.data.root = str(new)
    stage.run(config, folder)
    return new, finished_runs.read(folder / "identified")
