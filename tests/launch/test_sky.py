"""The task and the sweep of launch/sky, on nodes that this machine imitates."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from launch import mirror
from tests import processes
from whale_jax.runtime import preemption
from whale_jax.train import log
from whale_jax.workflow import folders, json_files

PATH = processes.ROOT / "launch" / "sky" / "train.yaml"
TASK = yaml.safe_load(PATH.read_text())


def nodes(tmp_path, number, **changes):
    """Runs the commands of the task on so many nodes."""
    variables = {
        "SKYPILOT_NODE_IPS": "\n".join(["127.0.0.1"] * number),
        "SKYPILOT_NUM_NODES": str(number),
        "PYTHON": sys.executable,
        "SLURM_CPUS_PER_TASK": "1",  # devices of a node
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(tmp_path / "cache")),
    }
    script = tmp_path / "run.sh"
    script.write_text(TASK["run"].replace(":8476", f":{processes.free_port()}"))
    envs = [{**TASK["envs"], **variables, "SKYPILOT_NODE_RANK": str(rank), **changes} for rank in range(number)]
    words = [["env", *(f"{name}={value}" for name, value in env.items()), "bash", str(script)] for env in envs]
    return processes.commands(words)


@pytest.mark.cluster
def test_two_nodes_make_one_run_and_the_bucket_has_it(tmp_path):
    flags = "--config=tests/launch/pod.py --config.stages.box.epochs=1.0"
    paths = {"RUNS": str(tmp_path / "runs"), "FLAGS": flags}
    ended = nodes(tmp_path, 2, **paths, BUCKET=f"file://{tmp_path}/bucket")
    assert [process.returncode for process in ended] == [0, 0], ended
    [alone] = nodes(tmp_path, 1, **paths, BUCKET="", RUN="alone")
    assert not alone.returncode, alone
    results = [json_files.read(tmp_path / "runs" / run / "named" / "result.json") for run in ("alone", "try")]
    assert results[0]["digest"] == results[1]["digest"]
    assert "on each of 2 hosts" in results[1]["device"]
    logs = (log.read(tmp_path / "runs" / run / "named") for run in ("alone", "try"))
    processes.assert_same_log(*logs, rtol=1e-3, atol=1e-4)
    copies, originals = (
        {path.relative_to(root) for path in root.rglob("*") if path.is_file() and path.name != folders.LOCK}
        for root in (tmp_path / "bucket" / "try", tmp_path / "runs" / "try")
    )
    assert copies - {Path(mirror.LIST)} == originals


@pytest.mark.slow
def test_a_sweep_is_a_job_a_run(tmp_path):
    """A stand-in for `sky` prints its arguments."""
    sky = tmp_path / "bin" / "sky"
    sky.parent.mkdir()
    for name, does in (("sky", 'echo "$@"'), ("python", f'exec {sys.executable} "$@"')):
        (sky.parent / name).write_text(f"#!/usr/bin/env bash\n{does}\n")
        (sky.parent / name).chmod(0o755)
    env = {**os.environ, "PATH": f"{sky.parent}:{os.environ['PATH']}"}
    plan = ["plan", str(tmp_path / "pods"), "--config=tests/launch/pod.py", "--grid=stages.drawn.seed=1,2"]
    subprocess.run([sys.executable, "-m", "launch.sweep", *plan], cwd=processes.ROOT, check=True, capture_output=True)
    command = ["bash", "launch/sky/sweep.sh", str(tmp_path / "pods"), "--cloud=gcp"]
    output = subprocess.run(command, cwd=processes.ROOT, env=env, check=True, capture_output=True, text=True).stdout
    first, second = output.splitlines()
    assert "--name run-000-seed-1 --env" in first  # SkyPilot refuses an =
    assert "--env RUN=pods/000_seed=1 --env FLAGS=--config=tests/launch/pod.py --config.stages.drawn.seed=1" in first
    assert second.endswith("--config.stages.drawn.seed=2 --cloud=gcp")


PRINT_TASK = """
import json, sky, sys
task = sky.Task.from_yaml(sys.argv[1])
resources = [[*r.accelerators, r.use_spot, r.job_recovery["recover_on_exit_codes"]] for r in task.resources]
print(json.dumps([task.num_nodes, sorted(resources), task.run]))
"""


@pytest.mark.cluster
@pytest.mark.skipif(
    "SKYPILOT_PYTHON" not in os.environ, reason="SKYPILOT_PYTHON, of an environment with SkyPilot, is unset"
)
def test_skypilot_takes_the_task():
    command = [os.environ["SKYPILOT_PYTHON"], "-c", PRINT_TASK, str(PATH)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    resources = [[name, True, [preemption.EXIT]] for name in sorted(TASK["resources"]["accelerators"])]
    assert json.loads(output.splitlines()[-1]) == [TASK["num_nodes"], resources, TASK["run"]]
