"""Stages at once come out as one after the other do, and what goes wrong in a process is said in the first one."""

import multiprocessing
import os
import time
from concurrent import futures
from pathlib import Path

import pytest
import threadpoolctl

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


@pytest.mark.slow
@several
def test_stages_at_once_are_those_one_after_the_other(tmp_path):
    alone, together = (stage.run(drawn(number), tmp_path / str(number)) for number in (1, 2))
    assert list(together["stages"]) == list(alone["stages"]) == pipeline.order(drawn(1).stages)
    for name in alone["stages"]:
        results = [json_files.read(tmp_path / number / name / "result.json") for number in "12"]
        assert results[0]["digest"] == results[1]["digest"]


@pytest.mark.slow
@several
def test_what_a_stage_refuses_is_said_and_the_others_end_well(tmp_path):
    with pytest.raises(errors.InputError, match="whales"):
        stage.run(drawn(2, whales=2), tmp_path)
    assert json_files.read(tmp_path / "drawn_a" / "result.json")
    assert not (tmp_path / "photos_b").exists()


@several
def test_a_process_that_is_killed_is_named(tmp_path):
    with pool.Pool(2) as stages:
        stages.start("pod", stage.config("draw", photos=4000), workdir=tmp_path / "pod", title="pod")
        for child in multiprocessing.active_children():
            child.kill()
        with pytest.raises(errors.InputError, match="process of stage pod was ended"):
            list(stages.finished())
        with pytest.raises(errors.InputError, match="process of stage next was ended"):
            stages.start("next", stage.config("draw"), workdir=tmp_path / "next", title="next")


@pytest.mark.slow
@several
def test_stages_under_way_are_asked_to_end_too(tmp_path):

    def preempted():
        with pool.Pool(2) as stages:
            stages.start("pod", stage.config("draw", photos=4000), workdir=tmp_path / "pod", title="pod")
            while not (tmp_path / "pod" / "config.json").exists():
                time.sleep(0.05)
            raise errors.PreemptedError("asked to end")

    with pytest.raises(errors.PreemptedError):
        preempted()
    assert not (tmp_path / "pod" / "result.json").exists()


@pytest.fixture(scope="module")
def processes():
    """Two that share the cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        patch.delenv("OPENBLAS_NUM_THREADS", raising=False)
        with pool._executor(pool.shares(2)) as executor:
            yield executor


@several
def test_blas_has_as_many_threads_as_its_process_has_cores(tmp_path, processes):
    """SciPy's library comes with the first stage that needs it, here one that is alone on the machine."""
    config = stage.config("draw", whales=3, photos=8, test=2, width=96).to_json_best_effort()
    processes.submit(pool._run, config, tmp_path, "drawn", "drawn", CORES).result()
    libraries = processes.submit(threadpoolctl.threadpool_info).result()
    numbers = [library["num_threads"] for library in libraries if library["user_api"] == "blas"]
    assert len(numbers) == 2
    assert set(numbers) <= {len(share.cores) for share in pool.shares(2)}


@several
def test_threads_of_a_stage_that_nothing_runs_beside_have_every_core(processes):
    shared, alone, after, of_jax = processes.submit(cores_of_threads, CORES).result()
    assert alone == set(CORES)
    assert shared == after
    assert len(shared) < len(CORES)
    assert of_jax == len(shared) * [shared]  # so a network comes out as it does beside another


def cores_of_threads(cores):
    """The cores of a new thread before, while and after a stage has `cores`, and those of each of XLA's threads."""
    shared = cores_of_a_thread()
    with pool._on(cores):
        alone = cores_of_a_thread()
    threads = [thread for thread in Path("/proc/self/task").iterdir() if "XLAEigen" in (thread / "comm").read_text()]
    return shared, alone, cores_of_a_thread(), [os.sched_getaffinity(int(thread.name)) for thread in threads]


def cores_of_a_thread():
    with futures.ThreadPoolExecutor() as threads:
        return threads.submit(os.sched_getaffinity, 0).result()


@several
@pytest.mark.parametrize(("last_ready", "number"), [(True, len(CORES)), (False, 0)])
def test_a_stage_is_alone_where_no_other_is_ready_or_under_way(monkeypatch, tmp_path, last_ready, number):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    shares = []
    with pool.Pool(2) as stages:
        monkeypatch.setattr(stages._executor, "submit", lambda *arguments: shares.append(arguments[-1]) or len(shares))
        for name in ("first", "second"):
            stages.start(name, stage.config("draw"), workdir=tmp_path, title=name, last_ready=last_ready)
    assert [len(cores) for cores in shares] == [number, 0]


@pytest.mark.parametrize(("gpus", "processes", "spared"), [("", 2, False), ("0,1", 1, False), ("0,1", 2, True)])
def test_the_first_gpu_is_left_to_the_process_that_gets_it(monkeypatch, gpus, processes, spared):
    monkeypatch.delenv(pool.PREALLOCATE, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    pool.spare_gpus(processes)
    assert os.environ.pop(pool.PREALLOCATE, "") == ("false" if spared else "")


@pytest.mark.parametrize(
    ("cores", "gpus", "processes", "number"),
    [(4, "", 1, 1), (4, "", 2, 2), (3, "", 2, 2), (2, "", 8, 2), (8, "0", 2, 1), (8, "3,5", 4, 2), (8, "3,5,6", 2, 2)],
)
def test_the_machine_is_dealt_out(monkeypatch, cores, gpus, processes, number):
    monkeypatch.setattr(pool, "_cores", lambda: list(range(cores)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    shares = pool.shares(processes)
    assert len(shares) == number
    assert sorted(core for share in shares for core in share.cores) == list(range(cores))  # each core once
    assert [share.gpu for share in shares] == (gpus.split(",")[:number] if gpus else [None] * number)
