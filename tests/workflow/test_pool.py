"""Stages at once come out as one after the other do, and what goes wrong in a process is said in the first one."""

import multiprocessing
import subprocess
import sys
import time
from pathlib import Path

import pytest

from whale_jax.programs import pipeline
from whale_jax.runtime import errors
from whale_jax.workflow import json_files, pool, stage

CORES = pool._cores()
several = pytest.mark.skipif(len(CORES) < 2, reason="one core: one process")


def drawn(processes, **changes):
    """Two pods that are drawn and imported, independently of each other."""
    stages = {}
    for pod in "ab":
        stages[f"drawn_{pod}"] = stage.config("draw", whales=3, photos=8, test=2, width=96, seed=ord(pod))
        stages[f"photos_{pod}"] = stage.config("import_photos", inputs={"drawn": f"drawn_{pod}"})
    stages["drawn_b"].update(changes)
    return stage.config("pipeline", stages=stages, processes=processes)


@several
def test_stages_at_once_are_those_one_after_the_other(tmp_path):
    alone, together = (stage.run(drawn(number), tmp_path / str(number)) for number in (1, 2))
    assert list(together["stages"]) == list(alone["stages"]) == pipeline.order(drawn(1).stages)
    for name in alone["stages"]:
        one, other = (json_files.read(tmp_path / number / name / "result.json") for number in "12")
        assert one["digest"] == other["digest"]


@several
def test_what_a_stage_refuses_is_said_and_the_others_end_well(tmp_path):
    with pytest.raises(errors.InputError, match="whales"):
        stage.run(drawn(2, whales=2), tmp_path)
    assert json_files.read(tmp_path / "drawn_a" / "result.json")
    assert not (tmp_path / "photos_b").exists()


@several
def test_a_process_that_is_killed_is_named(tmp_path):
    with pool.Pool(2) as stages:
        stages.start("pod", stage.config("draw", photos=4000), tmp_path / "pod", title="pod")
        for child in multiprocessing.active_children():
            child.kill()
        with pytest.raises(errors.InputError, match="process of stage pod was ended"):
            list(stages.finished())


@several
def test_stages_under_way_are_asked_to_end_too(tmp_path):

    def told():
        with pool.Pool(2) as stages:
            stages.start("pod", stage.config("draw", photos=4000), tmp_path / "pod", title="pod")
            while not (tmp_path / "pod" / "config.json").exists():
                time.sleep(0.05)
            raise errors.PreemptedError("asked to end")

    with pytest.raises(errors.PreemptedError):
        told()
    assert not (tmp_path / "pod" / "result.json").exists()


@pytest.mark.parametrize(
    ("cores", "gpus", "wanted", "number"),
    [(4, "", 1, 1), (4, "", 2, 2), (3, "", 2, 2), (2, "", 8, 2), (8, "0", 2, 1), (8, "3,5", 4, 2), (8, "3,5,6", 2, 2)],
)
def test_the_machine_is_dealt_out(monkeypatch, cores, gpus, wanted, number):
    monkeypatch.setattr(pool, "_cores", lambda: list(range(cores)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    dealt = pool.shares(wanted)
    assert len(dealt) == number
    assert sorted(core for share in dealt for core in share.cores) == list(range(cores))  # each core once
    assert [share.gpu for share in dealt] == (gpus.split(",")[:number] if gpus else [None] * number)


QUIET = """
import errno, gc, os, threading
from whale_jax.workflow import pool
pool.quieten()
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


def test_threads_print_nothing_of_a_full_disk_or_a_closed_loop_but_every_mistake():
    ended = subprocess.run(
        [sys.executable, "-c", QUIET], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert ended.stderr.count("Traceback") == 1, ended.stderr
    assert "ValueError: a mistake" in ended.stderr


SWALLOWED = """
import gc, os, signal
from whale_jax.runtime import errors, preemption
from whale_jax.workflow import pool
pool.quieten()
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


def test_a_request_to_end_that_a_callback_swallowed_comes_again_and_prints_no_traceback():
    ended = subprocess.run(
        [sys.executable, "-c", SWALLOWED],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.stdout.splitlines() == ["went on", "and ended"], ended.stderr
    assert "Traceback" not in ended.stderr
