"""A process prints its own lines and mistakes, and not the chatter of libraries."""

import subprocess
import sys
from pathlib import Path

import pytest

QUIET = """
import errno, gc, os, threading
from whale_jax.runtime import process
process.quieten()
def fail(error):
    raise error
class Reader:
    def __del__(self):
        raise RuntimeError("Event loop is closed")
Reader()
for error in (OSError(errno.ENOSPC, "full"), ValueError("a mistake")):
    thread = threading.Thread(target=fail, args=(error,))
    thread.start()
    thread.join()
"""


@pytest.mark.slow
def test_threads_print_nothing_of_a_full_disk_or_a_closed_loop_but_every_mistake():
    child = subprocess.run(
        [sys.executable, "-c", QUIET], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert child.stderr.count("Traceback") == 1, child.stderr
    assert "ValueError: a mistake" in child.stderr


SWALLOWED = """
import gc, os, signal
from whale_jax.runtime import errors, preemption, process
process.quieten()
preemption.listen()
def callback(phase, info):  # as JAX has one
    gc.callbacks.remove(callback)
    os.kill(os.getpid(), signal.SIGTERM)
gc.callbacks.append(callback)
gc.collect()
print("went on", flush=True)
try:
    signal.pause()
except errors.PreemptedError:
    print("and ended")
"""


@pytest.mark.slow
def test_a_request_to_end_that_a_callback_swallowed_comes_again_and_prints_no_traceback():
    child = subprocess.run(
        [sys.executable, "-c", SWALLOWED],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert child.stdout.splitlines() == ["went on", "and ended"], child.stderr
    assert "Traceback" not in child.stderr
