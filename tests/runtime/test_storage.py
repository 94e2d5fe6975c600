"""Files are whole or not there, and damage is one message."""

import contextlib
import json
import os

import numpy as np
import pytest

from whale_jax.runtime import errors, storage


def finish(folder, **files):
    """A finished stage that says what its files hold."""
    (folder / storage.RESULT).write_text(json.dumps({"files": files}), encoding="utf-8")


def test_a_file_is_the_old_one_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "table.csv"
    storage.write_text(path, "old")
    with contextlib.suppress(RuntimeError), storage.replacing(path) as partial:
        partial.write_text("half", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
        raise RuntimeError("killed")
    assert path.read_text(encoding="utf-8") == "old"
    storage.write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_arrays_are_written_under_their_name(tmp_path):
    storage.savez(tmp_path / "a.npz", x=np.arange(3))
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    with np.load(tmp_path / "a.npz") as file:
        np.testing.assert_array_equal(file["x"], [0, 1, 2])


CHANGES = {
    "reversed": lambda b: b[::-1],
    "cut": lambda b: b[:-1],
    "empty": lambda b: b"",
    "bit": lambda b: b[:5] + bytes([b[5] ^ 4]) + b[6:],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_checksum_changes_with_any_byte(tmp_path, change):
    path, content = tmp_path / "a", os.urandom(1000)
    path.write_bytes(content)
    before = storage.checksum(path)
    path.write_bytes(change(content))
    assert storage.checksum(path) != before
    path.write_bytes(content)
    assert storage.checksum(path) == before


def test_what_has_changed_since_its_stage_wrote_it_is_refused(tmp_path):
    path = tmp_path / "deep" / "a.json"
    path.parent.mkdir()
    path.write_text("[1]", encoding="utf-8")
    finish(tmp_path, **{"deep/a.json": storage.checksum(path)})
    with storage.reading(path):
        assert json.loads(path.read_text(encoding="utf-8")) == [1]
    path.write_text("[2]", encoding="utf-8")
    os.utime(path, ns=(0, 1))  # at equal size: whoever looks at the time alone must see it too
    message = rf"{path} has changed since its stage wrote it: delete {tmp_path} and run its stage again"
    with pytest.raises(errors.InputError, match=message), storage.reading(path):
        pass
    path.unlink()
    with pytest.raises(errors.InputError, match=rf"{path} is not there: delete {tmp_path}"), storage.reading(path):
        pass


def test_what_no_stage_has_written_yet_is_read_as_it_is(tmp_path):
    (tmp_path / "other.json").write_text("[1]", encoding="utf-8")
    finish(tmp_path)
    with storage.reading(tmp_path / "other.json") as path:
        assert path.read_text(encoding="utf-8") == "[1]"


@pytest.mark.parametrize("error", [ValueError("cut\noff"), KeyError("x"), MemoryError(), RecursionError("deep")])
def test_whatever_a_library_raises_is_one_message_of_one_line(tmp_path, error):
    message = pytest.raises(errors.InputError, match=r"a.npz cannot be read \(\w+.*\): get it again")
    with message as caught, storage.reading(tmp_path / "a.npz", "get it again"):
        raise error
    assert "\n" not in str(caught.value)


def test_a_mistake_that_is_explained_already_stays_as_it_is(tmp_path):
    with pytest.raises(errors.InputError, match=r"^of another split$"), storage.reading(tmp_path / "a"):
        raise errors.InputError("of another split")
