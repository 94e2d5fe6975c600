"""Four simulated devices for every test, compiled functions kept from run to run, and where the real pictures are."""

import gc
import os
from pathlib import Path

# In the environment, so that it holds for the processes that tests start too.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path.home() / ".cache" / "whale_jax" / "compiled_tests"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

# Tests run in two processes, and threads of BLAS that share a core wait for one another by spinning.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

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


def pytest_collection_finish():
    """What imports have made stays: a collection need not walk it again and again, which takes a tenth of the time."""
    gc.collect()
    gc.freeze()
