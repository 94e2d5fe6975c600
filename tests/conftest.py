"""Four simulated devices for every test, and where the real pictures are."""

import os
from pathlib import Path

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 4)


@pytest.fixture(scope="session")
def whales() -> Path:
    """Folder of real right-whale pictures, which the repository does not hold."""
    folder = Path(os.environ.get("WHALE_DATA", Path(__file__).parents[2] / "shared" / "whales"))
    if not (folder / "crops" / "train.csv").exists():
        pytest.skip(f"no real pictures in {folder}: set WHALE_DATA to a folder that has them")
    return folder
