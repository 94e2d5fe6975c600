"""A result says what made it, and what cannot be written or has been left behind is dealt with."""

import errno
import subprocess

import pytest
from ml_collections import ConfigDict

from tests.programs.test_import_photos import warned
from tests.workflow.stub import config
from whale_jax.runtime import errors, storage
from whale_jax.train.parallel import parallel
from whale_jax.workflow import folders, json_files, provenance, stage

SOURCES = {"version": "abc", "sources": "0" * 16}


@pytest.fixture(autouse=True)
def _no_warnings_yet(monkeypatch):
    monkeypatch.setattr(provenance, "_warned", set())


def pipeline_of(*names):
    stages = {name: config(value=i) for i, name in enumerate(names, start=1)}
    return ConfigDict({"program": "pipeline", "processes": 1, "stages": stages})


def test_a_result_names_the_commit_and_the_sources(program, tmp_path):
    code = stage.run(config(), tmp_path)["code"]
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=provenance.PACKAGE, capture_output=True, text=True, check=False
    ).stdout.strip()
    if head:
        assert code["version"].removesuffix("-dirty") == head
    assert len(code["sources"]) == 16


def test_sources_are_told_apart_by_their_bytes(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    hashes = set()
    for text in ("a = 1\n", "a = 2\n"):
        (tmp_path / "module.py").write_text(text, encoding="utf-8")
        hashes.add(provenance.code.__wrapped__()["sources"])
    assert len(hashes) == 2
    assert provenance.code.__wrapped__()["version"] != ""  # in no checkout


def test_results_of_other_code_are_kept_and_said_once(program, tmp_path, monkeypatch):
    with monkeypatch.context() as other:
        other.setattr(provenance, "code", lambda: SOURCES)
        results = [stage.run(config(), tmp_path / name) for name in "ab"]
    with warned() as warnings:
        assert [stage.run(config(), tmp_path / name) for name in "ab"] == results
    assert [text for text in warnings if "a was made by another version of the code (abc, and this is " in text]
    assert len(warnings) == 1


def test_a_result_tells_the_devices_that_were_used(program, tmp_path):
    assert stage.run(config(), tmp_path)["device"].startswith("1 x ")
    for number, used in ((1, 1), (2, 2), (0, 4)):
        assert provenance.device(parallel("jit", number, batch=4).devices).startswith(f"{used} x ")
    assert provenance.device(parallel("jit", batch=2).devices).startswith("2 x ")  # of four


def test_a_file_for_a_folder_and_one_that_cannot_be_written_to_are_refused(program, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(errors.InputError, match=r"file cannot be written to .*: .* choose another --workdir"):
        stage.run(config(), tmp_path / "file")

    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(folders.filelock.FileLock, "acquire", refuse)
    with pytest.raises(errors.InputError, match=r"a cannot be written to \(Read-only file system\)"):
        stage.run(config(), tmp_path / "a")


def test_a_finished_run_is_read_without_writing(program, tmp_path, monkeypatch):
    first = stage.run(pipeline_of("a", "b"), tmp_path)
    monkeypatch.setattr(folders, "locked", lambda folder: pytest.fail(f"{folder} is written to"))
    monkeypatch.setattr(json_files, "write", lambda path, content: pytest.fail(f"{path} is written"))
    assert stage.run(pipeline_of("a", "b"), tmp_path) == first
    assert stage.run(config(value=1), tmp_path / "a")
    assert program.runs == 2


def test_a_run_that_grows_adds_its_seconds(program, tmp_path, monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(stage.time, "perf_counter", lambda: next(clock))
    first = stage.run(pipeline_of("a"), tmp_path)["seconds"]
    assert stage.run(pipeline_of("a"), tmp_path)["seconds"] == first > 0
    assert stage.run(pipeline_of("a", "b"), tmp_path)["seconds"] > first


def test_what_a_killed_run_left_under_temporary_names_is_removed(program, tmp_path):
    folder = tmp_path / f"heads{storage.PARTIAL}"
    folder.mkdir()
    (folder / "images.npy").write_bytes(b"half")
    (tmp_path / f"splits.json.1{storage.PARTIAL}").write_text("{", encoding="utf-8")
    result = stage.run(config(), tmp_path)
    assert not list(tmp_path.glob(f"*{storage.PARTIAL}"))
    assert result["files"].keys() == {"config.json", "inputs.json"}


def test_an_input_made_anew_with_other_arrays_is_refused(program, tmp_path):
    """Although its config is the same: what was made of it is not what would be made now."""
    stage.run(config(), tmp_path / "a")

    def rewrite(content):
        (tmp_path / "a" / "x.npy").write_bytes(content)
        result = json_files.read(tmp_path / "a" / "result.json")
        json_files.write(tmp_path / "a" / "result.json", provenance.seal(result, tmp_path / "a"))

    rewrite(b"1")
    stage.run(config(tmp_path / "a"), tmp_path / "b")
    rewrite(b"2")
    with pytest.raises(errors.InputError, match=r"b belongs to other inputs \(before differ\)"):
        stage.run(config(tmp_path / "a"), tmp_path / "b")
