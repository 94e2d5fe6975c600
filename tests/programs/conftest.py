"""What tests of several programs share."""

import pytest

from tests.programs import runs


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """Every stage that a report can read; a photo has a red dot at its bonnet."""
    root, run = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("run")
    runs.write(root, run)
    return run
