"""Finished answers to review: of photos with points, a few of them of an encounter."""

import pytest

from configs import identify
from tests.data.folders import write_csv
from tests.finished_run import finish, write_crops, write_photos
from whale_jax.workflow import finished_runs, stage


@pytest.fixture(scope="module")
def june(tmp_path_factory):
    """The folder of new photos, and that of the answers about them."""
    return answer(tmp_path_factory, write=write_photos, frame="head")


@pytest.fixture(scope="module")
def june_crops(tmp_path_factory):
    """As `june`, of ready crops."""
    return answer(tmp_path_factory, write=write_crops, frame="whole")


def answer(tmp_path_factory, *, write, frame):
    root, run, new = (tmp_path_factory.mktemp(name) for name in ("root", "run", "new"))
    finish(root, run, write=write, frame=frame)
    rows = write(new, [0, 0, 1, 2, 3, 4], start=100, named=False)
    write_csv(new / "photos.csv", rows)
    config = identify.get_config(str(run))
    config.data.root = str(new)
    folder = tmp_path_factory.mktemp("june")
    stage.run(config, folder)
    return new, finished_runs.read(folder / "identified")
