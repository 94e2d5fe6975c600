"""A checkpoint comes back as it was written, or not at all."""

import contextlib
import json
import shutil
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from whale_jax.runtime import errors
from whale_jax.train import checkpoint
from whale_jax.train.state import TrainState


def state(step):
    """A state that knows its step. Most of it is a kernel that does not compress: what is damaged is that."""
    kernel = jax.random.normal(jax.random.key(step), (64, 32))
    params = {"Dense_0": {"kernel": kernel, "bias": jnp.arange(32.0)}}
    return TrainState(jnp.int32(step), jnp.uint32(5), params, {}, (jnp.zeros(3), {"mu": jnp.arange(32.0)}))


def opened(folder):
    return checkpoint.Checkpoints(folder)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Four steps were written, of which the first is the best: it and the last two are there."""
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    checkpoints = opened(folder)
    for step in (3, 6, 9, 12):
        checkpoints.save(state(step), best=step == 3, progress={"seconds": step})
    checkpoints.close()
    assert sorted(path.name for path in folder.iterdir() if path.name.isdigit()) == ["12", "3", "9"]
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """A copy, which a test may damage."""
    return shutil.copytree(written, tmp_path / "checkpoints")


def test_of_a_training_that_is_done_the_last_and_the_best_are_left(folder):
    with contextlib.closing(opened(folder)) as checkpoints:
        checkpoints.prune()
        checkpoints.prune()
    assert sorted(path.name for path in folder.iterdir() if path.name.isdigit()) == ["12", "3"]
    assert_holds(folder, last=12, best=3)
    with contextlib.closing(opened(folder)) as checkpoints:
        checkpoints.save(state(15), best=True, progress={"seconds": 15})  # and the last
        checkpoints.prune()
    assert [path.name for path in folder.iterdir() if path.name.isdigit()] == ["15"]


def weights(folder, *, best):
    """Those of the best step, or the last, in a state of step 0."""
    with contextlib.closing(opened(folder)) as checkpoints:
        return checkpoints.variables(state(0), best=best)[0]


def resumed(folder):
    with contextlib.closing(opened(folder)) as checkpoints:
        return checkpoints.resume(state(0))


def assert_is(restored, step):
    jax.tree.map(np.testing.assert_array_equal, restored[0], state(step))
    assert restored[1] == {"seconds": step}


def assert_weights(restored, step):
    jax.tree.map(np.testing.assert_array_equal, restored, state(0)._replace(params=state(step).params))


def assert_holds(folder, *, last, best):
    assert_is(resumed(folder), last)
    assert_weights(weights(folder, best=False), last)
    assert_weights(weights(folder, best=True), best)


def largest(step):
    """The file of a step that holds its arrays."""
    return max((path for path in step.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)


def flip(step, file=None):
    file = file or largest(step)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def flip_manifest(step):
    flip(step, step / "state" / "manifest.ocdbt")


def truncate(step):
    file = largest(step)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(step):
    shutil.rmtree(step)
    step.mkdir()


def unfinish(step):
    for file in step.rglob("*METADATA*"):
        file.unlink()


DAMAGES = {
    "a flipped byte": flip,
    "a flipped byte of the index": flip_manifest,
    "a truncated file": truncate,
    "an empty folder": empty,
    "no commit marker": unfinish,
}


def test_the_last_and_the_best_come_back(folder):
    assert_holds(folder, last=12, best=3)


@pytest.mark.parametrize(("best", "step"), [(True, 3), (False, 12)])
def test_variables_come_back_whatever_the_optimiser_was(folder, best, step):
    other = state(0)._replace(opt_state={"nu": jnp.zeros(7)})
    with contextlib.closing(opened(folder)) as checkpoints:
        with pytest.raises(errors.InputError, match="is of another network"):
            checkpoints.resume(other)
        restored, lines = checkpoints.variables(other, best=best)
    jax.tree.map(np.testing.assert_array_equal, restored, other._replace(params=state(step).params))
    assert not lines


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_goes_on_from_the_step_before_a_damaged_one(folder, damage, monkeypatch):
    warnings_logged = []
    monkeypatch.setattr(checkpoint.logging, "warning", lambda text, *values: warnings_logged.append(text % values))
    DAMAGES[damage](folder / "12")
    with pytest.raises(errors.InputError, match=str(folder / "12")):
        weights(folder, best=False)  # whoever asks for the last ones would get others
    assert_is(resumed(folder), 9)
    [line] = [line for line in warnings_logged if line.endswith("it is removed, and the run goes on from step 9")]
    assert str(folder / "12") in line
    assert not (folder / "12").exists()
    checkpoints = opened(folder)
    checkpoints.save(state(12), best=True, progress={"seconds": 12})  # the run comes there again
    checkpoints.close()
    assert_holds(folder, last=12, best=12)


@pytest.mark.parametrize("damage", ["a flipped byte", "a flipped byte of the index", "a truncated file"])
def test_damaged_best_weights_are_refused(folder, damage):
    DAMAGES[damage](folder / "3")
    with pytest.raises(errors.InputError, match=str(folder / "3")):
        weights(folder, best=True)


def damages(folder):
    """Every file of a step, each with its first, middle and last byte flipped, cut in half, and emptied."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes()
        for i in sorted({0, len(content) // 2, len(content) - 1}) if content else ():
            yield file, content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :]
        yield file, content[: len(content) // 2]
        yield file, b""


@pytest.mark.slow
@pytest.mark.parametrize("best", [False, True])
def test_no_damage_to_any_file_of_a_step_gives_other_weights_or_a_traceback(folder, best):
    for file, content in list(damages(folder / "12")):
        whole = file.read_bytes()
        file.write_bytes(content)
        message = str(folder / "12")
        try:
            assert_weights(weights(folder, best=best), 3 if best else 12)
        except errors.InputError as error:
            message = str(error)
        assert str(folder / "12") in message
        file.write_bytes(whole)


@pytest.mark.slow
def test_no_damage_to_any_file_of_the_last_step_stops_a_run(folder, tmp_path):
    for i, (file, content) in enumerate(damages(folder / "12")):
        copy = tmp_path / str(i)
        shutil.copytree(folder, copy)
        (copy / file.relative_to(folder)).write_bytes(content)
        step = int(resumed(copy)[0].step)
        assert step in (9, 12)
        assert_is(resumed(copy), step)
        assert_weights(weights(copy, best=True), 3)
        shutil.rmtree(copy)


def test_a_digit_changed_beside_the_arrays_is_noticed(folder):
    item = folder / "12" / "progress" / "metadata"
    text = item.read_text()
    item.write_text(text.replace('"step": 3', '"step": 9'))
    assert item.read_text() != text
    with pytest.raises(errors.InputError, match=f"{item} is not what was written"):
        weights(folder, best=True)
    assert_holds(folder, last=9, best=3)


def test_what_was_the_best_before_a_damaged_best_one_is_still_there(folder):
    checkpoints = opened(folder)
    checkpoints.save(state(15), best=True, progress={"seconds": 15})
    checkpoints.close()
    flip(folder / "15")
    assert_holds(folder, last=12, best=3)


def test_a_checkpoint_without_checksums_is_refused_and_stays(folder):
    item = folder / "12" / "progress" / "metadata"
    item.write_text(json.dumps({"seconds": 12}))
    with pytest.raises(errors.InputError, match="before checkpoints had checksums"):
        resumed(folder)
    assert (folder / "12").is_dir()


def test_where_no_checkpoint_can_be_read_all_of_them_stay(folder):
    """It may be the memory that fails, or the network."""
    for step in ("3", "9", "12"):
        flip(folder / step)
    with pytest.raises(errors.InputError, match=r"(?s)/12 is damaged, .*/9 is damaged, .*/3 is damaged, .*begin again"):
        resumed(folder)
    assert sorted(path.name for path in folder.iterdir() if path.name.isdigit()) == ["12", "3", "9"]


def test_a_step_that_is_not_the_best_is_the_last(folder):
    checkpoints = opened(folder)
    checkpoints.save(state(14), best=False, progress={"seconds": 14})
    checkpoints.close()
    assert_holds(folder, last=14, best=3)


def test_where_no_step_was_the_best_the_last_is(tmp_path):
    checkpoints = opened(tmp_path / "checkpoints")
    checkpoints.save(state(3), best=False, progress={"seconds": 3})
    checkpoints.save(state(6), best=False, progress={"seconds": 6})
    checkpoints.close()
    assert_holds(tmp_path / "checkpoints", last=6, best=6)


def test_a_full_disk_is_said_and_what_was_saved_before_stays(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        checkpoints = opened(disk / "checkpoints")
        checkpoints.save(state(3), best=True, progress={"seconds": 3})
        assert_is(checkpoints.resume(state(0)), 3)
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free))
        checkpoints.save(state(6), best=True, progress={"seconds": 6})
        with pytest.raises(errors.InputError, match=f"no space left for {disk}"):
            checkpoints.resume(state(0))
        with pytest.raises(errors.InputError, match=f"no space left for {disk}"):
            checkpoints.close()
        (disk / "filler").unlink()
        assert_is(resumed(disk / "checkpoints"), 3)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
