"""The finished run that tests of programs share."""

from tests.programs.conftest import run_folder

__all__ = ["run_folder"]
