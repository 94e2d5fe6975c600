"""Several processes are one run: the same training, which any number of them may go on with."""

import contextlib

import jax
import numpy as np
import pytest
from PIL import Image

from tests import processes
from tests.train import test_checkpoint, test_loop
from whale_jax.runtime import errors, hosts, preemption
from whale_jax.train import log
from whale_jax.workflow import stage

FIT = """
import signal
from tests.train import test_checkpoint, test_loop
from whale_jax.runtime import errors, preemption
try:
    test_loop.fit({workdir!r}, mode={mode!r}, devices={devices}, {arguments})
except errors.PreemptedError as error:
    print(error)
    raise SystemExit(preemption.EXIT)
"""


def fit(workdir, number, *, mode="jit", devices=2, arguments=""):
    """Trains in some processes, with 2 devices each."""
    code = FIT.format(workdir=str(workdir), mode=mode, devices=devices, arguments=arguments)
    return processes.run(code, number, devices=devices)


def finished(workdir):
    """The state at the end of a run, and its log."""
    state, _ = test_loop.fit(workdir)
    return jax.device_get(state), log.read(workdir)


def assert_same(run_a, run_b):
    """To the rounding of sums over devices."""
    (state, rows), (same, expected_rows) = run_a, run_b
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-6), state, same)
    processes.assert_same_log(rows, expected_rows, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of one process that nothing befell."""
    workdir = tmp_path_factory.mktemp("whole")
    test_loop.fit(workdir)
    return finished(workdir)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["jit", pytest.param("pmap", marks=pytest.mark.slow)])
def test_two_processes_train_as_one_does(tmp_path, whole, mode):
    ended = fit(tmp_path, 2, mode=mode)
    assert [process.returncode for process in ended] == [0, 0], ended
    assert_same(whole, finished(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_another_number_of_processes_goes_on(tmp_path, whole, before, after):
    killed = fit(tmp_path, before, arguments="die_at=7")
    assert all(process.returncode for process in killed)
    assert log.read(tmp_path)[-1]["step"] < test_loop.STEPS
    ended = fit(tmp_path, after)
    assert not any(process.returncode for process in ended), ended
    assert_same(whole, finished(tmp_path))


@pytest.mark.slow
def test_all_save_the_same_step_when_one_is_asked_to_end(tmp_path, whole):
    arguments = "steps=400, **({{'die_at': 5, 'by': signal.SIGTERM}} if {index} else {{}})"
    ended = fit(tmp_path, 2, arguments=arguments.replace("{{", "{").replace("}}", "}"))
    assert [process.returncode for process in ended] == [preemption.EXIT] * 2, ended
    steps = {process.stdout.split("asked to end at step ")[1].split()[0] for process in ended}
    assert len(steps) == 1
    assert (tmp_path / "checkpoints" / steps.pop()).is_dir()


READ = """
import contextlib
from tests.train import test_checkpoint
from whale_jax.runtime import hosts

def read():
    with contextlib.closing(test_checkpoint.opened({folder!r})) as saved:
        return saved.variables(test_checkpoint.state(0))[0].params["Dense_0"]["kernel"][0, 0].item()

print("sum", hosts.once(read))
"""


@pytest.mark.slow
def test_one_host_reads_a_checkpoint_while_the_other_waits(tmp_path):
    with contextlib.closing(test_checkpoint.opened(tmp_path)) as saved:
        saved.save(test_checkpoint.state(3), best=True, progress={})
    ended = processes.run(READ.format(folder=str(tmp_path)), 2, devices=1, timeout=300)
    assert [process.returncode for process in ended] == [0, 0], ended
    line = f"sum {test_checkpoint.state(3).params['Dense_0']['kernel'][0, 0].item()}"
    assert [process.stdout.splitlines()[-1] for process in ended] == [line, "sum None"]  # Gloo has lines before them


IMPORT = """
from whale_jax.runtime import errors
from whale_jax.workflow import stage
try:
    stage.run(stage.config("import_photos", root={root!r}), {workdir!r})
except errors.InputError as error:
    print(error)
    raise SystemExit(2)
"""


@pytest.mark.slow
def test_a_mistake_that_one_finds_in_its_photos_is_one_of_all(tmp_path):
    root, workdir = tmp_path / "root", tmp_path / "photos"
    root.mkdir()
    for i in range(4):
        Image.new("RGB", (40, 30), (0, 20 * i, 90)).save(root / f"{i}.jpg")
    broken, whole = root / "3.jpg", (root / "3.jpg").read_bytes()
    broken.write_bytes(b"no picture")
    ended = processes.run(IMPORT.format(root=str(root), workdir=str(workdir)), 2, devices=1)
    assert [process.returncode for process in ended] == [2, 2], ended
    assert "another host could not do its share, and says why" in ended[0].stdout
    assert "3.jpg cannot be decoded" in ended[1].stdout
    broken.write_bytes(whole)
    assert stage.run(stage.config("import_photos", root=str(root)), workdir)["photos"] == 4


SPLIT = """
from whale_jax.runtime import errors
from whale_jax.workflow import stage
try:
    stage.run(stage.config("split", inputs={{"photos": {photos!r}}}), {workdir!r})
except errors.InputError as error:
    print(error)
    raise SystemExit(2)
"""


@pytest.mark.slow
def test_what_the_first_alone_is_to_do_and_cannot_ends_all(tmp_path):
    for i in range(2):
        Image.new("RGB", (40, 30), (0, 20 * i, 90)).save(tmp_path / f"{i}.jpg")
    photos = tmp_path / "photos"
    stage.run(stage.config("import_photos", root=str(tmp_path)), photos)
    ended = processes.run(SPLIT.format(photos=str(photos), workdir=str(tmp_path / "split")), 2, devices=1, timeout=120)
    assert [process.returncode for process in ended] == [2, 2], ended
    assert "the first host could not do it, and says why" in ended[1].stdout
    assert ended[0].stdout != ended[1].stdout


LATE = """
from whale_jax.workflow import json_files, stage
looks, read = [], json_files.read
def late(path):  # a network file system shows this host what the other wrote when it has looked three times
    looks.append(path.name == "result.json")
    return read(path) if sum(looks) > 3 else None
if {index}:
    json_files.read = late
print(stage.run(stage.config("draw", whales=3, photos=8, test=2, width=96), {workdir!r})["digest"])
"""


@pytest.mark.slow
def test_a_host_that_sees_a_result_late_waits_for_it(tmp_path):
    ended = processes.run(LATE.format(workdir=str(tmp_path / "pod"), index="{index}"), 2, devices=1)
    assert [process.returncode for process in ended] == [0, 0], ended
    digest = stage.run(stage.config("draw", whales=3, photos=8, test=2, width=96), tmp_path / "pod")["digest"]
    assert all(process.stdout.splitlines()[-1] == digest for process in ended)


def test_what_the_others_cannot_know_is_said():
    for options, message in [
        ({"way": "explicit", "number": 2}, "--coordinator_address and --process_id"),
        ({"way": "explicit", "address": "here:1", "number": 2, "index": 2}, "begin with 0"),
        ({"way": "explicit", "address": "here", "number": 2, "index": 1}, "host:port"),
        ({"way": "none", "number": 2}, "explicit takes --num_processes"),
        ({"way": "auto"}, "srun"),
    ]:
        with pytest.raises(errors.InputError, match=message):
            hosts.connect(**{"address": None, "number": None, "index": None, "timeout": 1, **options})


def test_a_coordinator_that_does_not_answer_is_named():
    address = f"127.0.0.1:{processes.free_port()}"
    with pytest.raises(errors.InputError, match=f"{address} did not answer in 1 s"):
        hosts.connect("explicit", address=address, number=2, index=1, timeout=1)


def test_a_share_of_a_batch_is_that_of_a_hosts_own_devices(monkeypatch):
    assert hosts.share(8) == slice(None)
    monkeypatch.setattr(hosts, "count", lambda: 4)
    monkeypatch.setattr(hosts, "index", lambda: 1)
    assert np.arange(8)[hosts.share(8)].tolist() == [2, 3]
