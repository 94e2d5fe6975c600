"""What tests of the data share."""

import pytest

from tests.data import folders
from tests.data.catalogues import jpeg


@pytest.fixture
def root(tmp_path):
    """A folder in the competition's layout: three labelled photos of 48x32, one to be named."""
    folders.competition(tmp_path)
    return tmp_path


@pytest.fixture
def files():
    return {f"w_{i}.jpg": jpeg(i, quality=50 + 3 * i, progressive=i % 2 == 0) for i in (1, 2, 3, 10, 11, 20, 21)}
