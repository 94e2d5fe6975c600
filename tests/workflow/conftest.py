"""The stub, registered."""

import pytest

from tests.workflow.stub import Stub


@pytest.fixture
def program(monkeypatch):
    return Stub(monkeypatch)
