"""What `pip install .` brings: the package, all of it, and nothing else into the global namespace."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_pip_installs_every_folder_of_the_package_and_no_other():
    setuptools = pytest.importorskip("setuptools")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packages = set(setuptools.find_packages(str(ROOT), **settings["packages"]["find"]))
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "whale_jax").rglob("*.py")}
    assert packages == {".".join(folder.parts) for folder in folders}
