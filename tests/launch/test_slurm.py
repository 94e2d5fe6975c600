"""The scripts of launch/slurm on a cluster of two nodes on this machine: runs as root, where Slurm is installed."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launch import lines, sweep
from tests import processes
from tests.launch import pod
from whale_jax.data import right_whale
from whale_jax.train import log
from whale_jax.workflow import json_files

ROOT = Path(__file__).parents[2]
EPOCHS = 300
CONFIG = f"--config=tests/launch/pod.py:{EPOCHS}"
DEADLINE = 240  # seconds that a test waits for a job
INSTALLED = os.geteuid() == 0 and all(shutil.which(command) for command in ("slurmctld", "slurmd", "munged"))
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not INSTALLED, reason="no Slurm here, or not root: launch/slurm/dev_cluster.sh install"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two nodes; the environment by which a shell finds them."""
    folder = tmp_path_factory.mktemp("cluster")
    command = ["bash", "launch/slurm/dev_cluster.sh"]
    started = subprocess.run([*command, "start", folder], cwd=ROOT, capture_output=True, text=True)
    assert not started.returncode, started
    env = {**os.environ, "PYTHON": sys.executable}
    env["SLURM_CONF"] = started.stdout.strip().removeprefix("export SLURM_CONF=")
    yield env
    subprocess.run(["scancel", "--user=root"], env=env, check=False)
    subprocess.run([*command, "stop", folder], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run of one process, without interruption."""
    workdir = tmp_path_factory.mktemp("alone") / "run"
    command = [sys.executable, "-m", "whale_jax.main", CONFIG, f"--workdir={workdir}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return workdir


def submit(cluster, workdir, script, *arguments, options=()):
    """The number of a job whose output goes to workdir.log."""
    command = ["sbatch", "--parsable", f"--output={workdir}.log", *options, script, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=cluster, check=True, capture_output=True, text=True).stdout.strip()


def until(condition, event, *, log_path):
    """Waits until condition(); fails with the log of the job after DEADLINE."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            text = log_path.read_text() if log_path.exists() else "(nothing)"
            pytest.fail(f"{event} did not happen in {DEADLINE} s:\n{text[-3000:]}")
        time.sleep(0.25)


def ended(cluster, workdir, job):
    """Waits until a job is done; returns its state and the number of its restarts."""

    def shown():
        command = ["scontrol", "--oneliner", "show", "job", job]
        text = subprocess.run(command, env=cluster, capture_output=True, text=True).stdout
        return dict(word.partition("=")[::2] for word in text.split())

    over = ("COMPLETED", "FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT", "OUT_OF_MEMORY")
    until(lambda: shown().get("JobState") in over, f"the end of job {job}", log_path=Path(f"{workdir}.log"))
    return shown()["JobState"], int(shown()["Restarts"])


def training(cluster, alone, workdir):
    """A job that trains the last network of that run again, on two nodes; returns while it trains."""
    inputs = [f"--config.inputs.{name}={alone / stage}" for name, stage in pod.NAMED.items()]
    member = ["--config=tests/launch/pod.py:member", f"--config.epochs={EPOCHS}", *inputs]
    job = submit(cluster, workdir, "launch/slurm/train.sbatch", *member, f"--workdir={workdir}")
    steps = workdir / "metrics.jsonl"
    until(lambda: steps.exists() and steps.stat().st_size, "the first step", log_path=Path(f"{workdir}.log"))
    return job


def assert_same(one_host, two_hosts):
    """Two trainings have one digest, and logs that are equal up to the rounding of sums."""
    results = [json_files.read(run / "result.json") for run in (one_host, two_hosts)]
    assert results[0]["digest"] == results[1]["digest"]
    processes.assert_same_log(*(log.read(run) for run in (one_host, two_hosts)), rtol=2e-3, atol=2e-4)
    assert results[0]["metrics"].keys() == results[1]["metrics"].keys()
    assert "2 hosts" in results[1]["device"]


def test_two_nodes_train_as_one_process_does(cluster, alone, tmp_path):
    workdir = tmp_path / "run"
    job = submit(cluster, workdir, "launch/slurm/train.sbatch", CONFIG, f"--workdir={workdir}")
    assert ended(cluster, workdir, job) == ("COMPLETED", 0), Path(f"{workdir}.log").read_text()
    assert_same(alone / "named", workdir / "named")


def test_a_run_that_gives_way_goes_on_and_ends_as_if_it_had_not(cluster, alone, tmp_path):
    workdir = tmp_path / "run"
    job = training(cluster, alone, workdir)
    options = ("--partition=urgent", "--nodes=2", "--exclusive", "--wrap=sleep 1")
    subprocess.run(["sbatch", "--output=/dev/null", *options], cwd=ROOT, env=cluster, check=True)
    state, restarts = ended(cluster, workdir, job)
    output = Path(f"{workdir}.log").read_text()
    assert (state, restarts > 0) == ("COMPLETED", True), output
    assert "asked to end at step" in output
    assert_same(alone / "named", workdir)


def test_a_run_of_which_a_rank_is_killed_goes_on(cluster, alone, tmp_path):
    workdir = tmp_path / "run"
    job = training(cluster, alone, workdir)
    ranks = subprocess.run(["pgrep", "-f", f"whale_jax.main.*{workdir}"], capture_output=True, text=True)
    pythons = [int(pid) for pid in ranks.stdout.split() if _rank(pid) == "1"]
    for pid in pythons:
        os.kill(pid, signal.SIGKILL)
    state, restarts = ended(cluster, workdir, job)
    assert (len(pythons), state, restarts > 0) == (1, "COMPLETED", True), Path(f"{workdir}.log").read_text()
    assert_same(alone / "named", workdir)


def _rank(pid):
    """Rank of a process in its job; None for srun itself and for the shell around the program."""
    with contextlib.suppress(OSError):
        environ = dict(word.partition("=")[::2] for word in Path(f"/proc/{pid}/environ").read_text().split("\0"))
        launcher = Path(f"/proc/{pid}/comm").read_text().startswith(("srun", "bash"))
        return None if launcher else environ.get("SLURM_PROCID")


def test_an_array_does_what_is_missing_of_a_sweep(cluster, alone, tmp_path):
    folder = tmp_path / "members"
    inputs = [f"--set=inputs.{name}={alone / stage}" for name, stage in pod.NAMED.items()]
    sweep.main(["plan", str(folder), "--config=tests/launch/pod.py:member", *inputs, "--grid=seed=0,1,2"])
    job = submit(cluster, folder, "launch/slurm/array.sbatch", folder, options=["--array=0-2"])
    for task in range(3):
        assert ended(cluster, folder, f"{job}_{task}") == ("COMPLETED", 0), Path(f"{folder}.log").read_text()
    runs = lines.read(folder)
    assert [sweep.state(folder, line).name for line in runs] == ["done"] * 3
    assert {json_files.read(folder / line.name / "result.json")["seed"] for line in runs} == {0, 1, 2}
    assert json.loads((folder / runs[2].name / "config.json").read_text())["inputs"]["view"] == str(alone / "head")


def test_an_array_imports_shards_that_its_last_task_puts_together(cluster, alone, tmp_path):
    workdir = tmp_path / "photos"
    run = ["--config=tests/launch/pod.py:photos", f"--config.root={alone / 'drawn' / 'pod'}", f"--workdir={workdir}"]
    job = submit(cluster, workdir, "launch/slurm/shards.sbatch", *run, options=["--array=0-2"])
    for task in range(3):
        assert ended(cluster, workdir, f"{job}_{task}") == ("COMPLETED", 0), Path(f"{workdir}.log").read_text()
    assert (
        json_files.read(workdir / "result.json")["photos"]
        == json_files.read(alone / "photos" / "result.json")["photos"]
    )
    assert right_whale.load(workdir).digest == right_whale.load(alone / "photos").digest
    assert len(list((workdir / "right_whale").rglob("*array_record*"))) == 3


def test_a_mistake_is_not_tried_again(cluster, tmp_path):
    workdir = tmp_path / "run"
    job = submit(cluster, workdir, "launch/slurm/train.sbatch", CONFIG, f"--workdir={workdir}", "--config.stage=1")
    assert ended(cluster, workdir, job) == ("FAILED", 0)
    assert "unknown config key 'stage'" in Path(f"{workdir}.log").read_text()
