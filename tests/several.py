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
from whale_jax import hosts
hosts.connect("explicit", address="127.0.0.1:{port}", number={number}, index={index}, timeout=60)
"""


def free_port() -> int:
    """A port where nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def run(code: str, number: int, *, devices: int, timeout: int = 240) -> list[subprocess.CompletedProcess]:
    """Runs Python `code`, which may name {index}, in `number` processes of `devices` simulated devices each."""
    port = free_port()
    texts = [
        SET_UP.format(devices=devices, port=port, number=number, index=i) + code.replace("{index}", str(i))
        for i in range(number)
    ]
    return commands([[sys.executable, "-c", text] for text in texts], timeout=timeout)


def commands(them: list[list[str]], *, timeout: int = 240) -> list[subprocess.CompletedProcess]:
    """Runs commands at the same time; how each ended."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    env = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    running = [subprocess.Popen(one, cwd=ROOT, env=env, **pipes) for one in them]
    try:
        said = [one.communicate(timeout=timeout)[0] for one in running]
    finally:
        for one in running:
            one.kill()
    ended = zip(them, running, said, strict=True)
    return [subprocess.CompletedProcess(args, one.returncode, text) for args, one, text in ended]


def assert_same_log(rows: list[dict[str, float]], others: list[dict[str, float]], *, rtol: float, atol: float) -> None:
    """Two trainings said the same at the same steps, to the rounding of sums."""
    assert [(row["step"], row.keys()) for row in rows] == [(row["step"], row.keys()) for row in others]
    for row, other in zip(rows, others, strict=True):
        np.testing.assert_allclose(list(row.values()), list(other.values()), rtol=rtol, atol=atol)
