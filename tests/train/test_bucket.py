"""A run whose checkpoints are in a bucket goes on on another machine: against a server that plays Google's."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest

from tests import processes
from whale_jax.train import log

REASON = "no bucket can be played here: pip install -r launch/requirements.txt"
pytestmark = pytest.mark.cluster
pytest.importorskip("gcsfs", reason=REASON)
server = pytest.importorskip("gcp_storage_emulator.server", reason=REASON)
objects = pytest.importorskip("gcp_storage_emulator.handlers.objects", reason=REASON)
NotFound = pytest.importorskip("gcp_storage_emulator.exceptions", reason=REASON).NotFound

FIT = """
import os, sys, time, jax, numpy as np
jax.config.update("jax_num_cpu_devices", 2)
from etils import epath
from tests.train import test_loop
folder = epath.Path(sys.argv[2])
def killed(pid, signal, kill=os.kill):
    while not (folder / "3" / "commit_success.txt").exists():  # which is written while the training goes on
        time.sleep(0.1)
    kill(pid, signal)
os.kill = killed
state, _ = test_loop.fit(sys.argv[1], checkpoints=folder, die_at=int(sys.argv[3]))
np.savez(sys.argv[1] + "/state.npz", *jax.tree.leaves(jax.device_get(state)))
"""


def download(request, response, storage, *args, plain=objects.download, **kwargs):
    """As the server has it, with the header that Google sends, by which TensorStore writes again what it has read."""
    plain(request, response, storage, *args, **kwargs)
    with contextlib.suppress(NotFound):
        item = storage.get_file_obj(request.params["bucket_name"], request.params["object_id"])
        response["x-goog-generation"] = item["generation"]


@pytest.fixture
def cloud(monkeypatch):
    """What a process must know to find the bucket gs://runs."""
    monkeypatch.setattr(objects, "download", download)
    port = processes.free_port()
    emulator = server.create_server("127.0.0.1", port, in_memory=True, default_bucket="runs")
    emulator.start()
    yield {
        **os.environ,
        "STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}",
        "TENSORSTORE_GCS_HTTP_URL": f"http://127.0.0.1:{port}",
        "GOOGLE_AUTH_TOKEN_FOR_TESTING": "x",
        "GOOGLE_CLOUD_PROJECT": "p",
        "NO_GCE_CHECK": "true",
    }
    emulator.stop()


def fit(cloud, workdir, address, *, die_at=-1):
    workdir.mkdir(exist_ok=True)
    command = [sys.executable, "-c", FIT, str(workdir), address, str(die_at)]
    return subprocess.run(command, cwd=processes.ROOT, env=cloud, capture_output=True, text=True, timeout=300)


def test_a_machine_that_is_lost_loses_nothing_that_is_in_the_bucket(cloud, tmp_path):
    assert not fit(cloud, tmp_path / "whole", str(tmp_path / "kept")).returncode
    assert fit(cloud, tmp_path / "lost", "gs://runs/a", die_at=7).returncode < 0
    ended = fit(cloud, tmp_path / "another", "gs://runs/a")
    assert not ended.returncode, ended.stderr[-3000:]
    states = [np.load(tmp_path / name / "state.npz") for name in ("whole", "another")]
    for leaf, same in zip(*(state.values() for state in states), strict=True):
        np.testing.assert_array_equal(leaf, same)
    assert log.read(tmp_path / "another")[0]["step"] > 3  # it began where the other had come to
    assert not (tmp_path / "another" / "checkpoints").exists()


def test_a_bucket_that_may_not_be_written_is_found_before_the_first_step(cloud, tmp_path):
    ended = fit(cloud, tmp_path / "run", "gs://nobodys/a")
    assert "InputError: gs://nobodys/a cannot be opened" in ended.stderr
    assert not log.read(tmp_path / "run")
