"""Processes that work together, on this machine."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
SET_UP = """
import jax
jax.config.update("jax_num_cpu_devices", {devices})
from whale_jax.runtime import hosts
hosts.connect("explicit", address="127.0.0.1:{port}", number={number}, index={index}, timeout=60)
"""


def free_port() -> int:
    """A port where nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(code: str, number: int, *, devices: int, timeout: int = 600) -> list[subprocess.CompletedProcess]:
    """Runs Python `code`, which may name {index}, in `number` processes of `devices` simulated devices each."""
    port = free_port()
    texts = [
        SET_UP.format(devices=devices, port=port, number=number, index=i) + code.replace("{index}", str(i))
        for i in range(number)
    ]
    return commands([[sys.executable, "-c", text] for text in texts], timeout=timeout)


def commands(argvs: list[list[str]], *, timeout: int = 600) -> list[subprocess.CompletedProcess]:
    """Runs commands at the same time and waits for all of them; standard error is in their output."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    env = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    processes = [subprocess.Popen(argv, cwd=ROOT, env=env, **pipes) for argv in argvs]
    try:
        outputs = [process.communicate(timeout=timeout)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    ended = zip(argvs, processes, outputs, strict=True)
    return [subprocess.CompletedProcess(argv, process.returncode, output) for argv, process, output in ended]


def assert_same_log(
    rows: list[dict[str, float]], expected: list[dict[str, float]], *, rtol: float, atol: float
) -> None:
    """Two trainings logged the same values at the same steps, to the rounding of sums."""
    assert [(row["step"], row.keys()) for row in rows] == [(row["step"], row.keys()) for row in expected]
    for row, other in zip(rows, expected, strict=True):
        np.testing.assert_allclose(list(row.values()), list(other.values()), rtol=rtol, atol=atol)
