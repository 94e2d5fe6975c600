"""What a batch script does when its command ends, with stand-ins for srun and scontrol."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRUN = """#!/usr/bin/env bash
while [[ $1 == --* ]]; do shift; done
env --default-signal=TERM "$@" &
echo $! > task
wait $!
code=$?
exit "${SAYS:-$code}"
"""


SCONTROL = """#!/usr/bin/env bash
echo "$@" >> scontrol.said
exit 1  # without an error, the script would wait for Slurm to end it
"""


@pytest.fixture
def job(tmp_path):
    """A folder with the stand-ins, and the environment of a job there."""
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path, {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}


def start(job, program, **env):
    folder, env_of_job = job
    script = f"source {ROOT}/launch/slurm/again.sh; again --wait=0 -- {sys.executable} -uc '{program}'"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(["bash", "-c", script], cwd=folder, env={**env_of_job, **env}, **pipes)


@pytest.mark.parametrize(
    ("code", "env", "ends", "again"),
    [
        (0, {}, 0, False),
        (2, {}, 2, False),
        (2, {"SAYS": "143"}, 2, False),  # srun returns the signal by which it ended another task
        (1, {}, 1, False),
        (75, {}, 75, True),
        (75, {"SLURM_RESTART_COUNT": "20"}, 75, False),
        (75, {"SLURM_RESTART_COUNT": "2", "MAX_RESTARTS": "2"}, 75, False),
        (0, {"SAYS": "137"}, 137, True),
    ],
)
def test_what_can_go_on_is_queued_again_and_a_mistake_is_not(job, code, env, ends, again):
    (job[0] / ".mistake-7").touch()  # left by a job that was cut off and went on
    process = start(job, f"raise SystemExit({code})", **env)
    output = process.communicate(timeout=60)[0]
    assert (process.returncode, (job[0] / "scontrol.said").exists()) == (ends, again), output
    assert not (job[0] / ".mistake-7").exists()


def test_a_signal_to_a_tasks_shell_alone_reaches_the_program(job):
    os.mkfifo(job[0] / "up")  # opens when the program opens it, too
    program = 'import signal; signal.signal(15, lambda *_: exit(75)); open("up", "w").close(); signal.pause()'
    process = start(job, program)
    (job[0] / "up").read_text()
    task, deadline = job[0] / "task", time.monotonic() + 60
    while not (task.exists() and task.read_text()):  # srun writes it after the program has begun
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(int(task.read_text()), signal.SIGTERM)
    assert process.wait(timeout=60) == 75, process.stdout.read()
