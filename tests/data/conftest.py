"""What tests of the data share."""

import pytest

from tests.data import folders


@pytest.fixture
def root(tmp_path):
    """A folder in the competition's layout: three labelled photos of 48x32, one to be named."""
    folders.competition(tmp_path)
    return tmp_path
