"""A program is one value: the one below is registered by one call, and is a stage like any other."""

import numpy as np
import pytest

from whale_jax import programs
from whale_jax.data import shards
from whale_jax.data.shards import Shard
from whale_jax.runtime import errors, storage
from whale_jax.workflow import stage
from whale_jax.workflow.program import Program

DEFAULTS = {"inputs": {"numbers": ""}, "count": 10, "power": 2}
calls = []  # what the program has been asked to do


def run(config, workdir):
    """Writes powers.npy: of 0 to count - 1, or of the numbers of an earlier stage."""
    calls.append("run")
    parts = [folder / "powers.npy" for _, folder in shards.folders(workdir, config.count)]
    powers = np.concatenate([np.load(path) for path in parts]) if parts else raised(config, slice(None))
    if parts:
        shards.remove(workdir)
    with storage.replacing(workdir / "powers.npy") as path, path.open("wb") as file:
        np.save(file, powers)
    if config.power == 13:
        raise RuntimeError("the machine lost its power")
    return {"total": int(powers.sum()), "metrics": {"mean": float(powers.mean())}}


def shard(config, workdir, shard):
    """Writes the powers of one shard of the numbers."""
    calls.append(f"shard {shard.index}")
    np.save(shard.folder(workdir) / "powers.npy", raised(config, shard.rows(config.count)))


def raised(config, rows):
    earlier = config.inputs.numbers
    numbers = np.load(f"{earlier}/powers.npy") if earlier else np.arange(config.count)
    return numbers[rows] ** config.power


def check(config):
    """Raises InputError for a power that the toy does not know."""
    if config.power < 0:
        raise errors.InputError("config.power must be 0 or more")


@pytest.fixture(autouse=True)
def _registered():
    programs.register("powers", Program(DEFAULTS, run, check=check, shard=shard))
    calls.clear()
    yield
    del programs.PROGRAMS["powers"]


def test_it_runs_once_and_leaves_what_every_stage_leaves(tmp_path):
    result = stage.run(stage.config("powers", count=4), tmp_path / "powers")
    assert result["total"] == 0 + 1 + 4 + 9
    assert {"program", "seconds", "digest", "code", "versions", "files", "checksum"} <= result.keys()
    assert result["files"].keys() == {"config.json", "inputs.json", "powers.npy"}
    assert stage.run(stage.config("powers", count=4), tmp_path / "powers") == result
    assert calls == ["run"]


def test_it_goes_on_where_it_was_cut_off_and_another_config_is_refused(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError):
        stage.run(stage.config("powers", power=13), tmp_path)
    assert not (tmp_path / "result.json").exists()
    with pytest.raises(errors.InputError, match=r"belongs to other config \(power differ\)"):
        stage.run(stage.config("powers"), tmp_path)
    program = programs.PROGRAMS["powers"]._replace(run=lambda config, workdir: {"total": len(list(workdir.iterdir()))})
    monkeypatch.setitem(programs.PROGRAMS, "powers", program)  # the power is back
    assert stage.run(stage.config("powers", power=13), tmp_path)["total"] == 4  # powers.npy is still there


def test_its_config_is_checked_before_anything_is_written(tmp_path):
    for config, message in (
        ({"power": -1}, "config.power must be 0 or more"),
        ({"powr": 1}, "unknown key of program 'powers' 'powr': did you mean power"),
    ):
        with pytest.raises(errors.InputError, match=message):
            stage.run(stage.config("powers", **config), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_in_a_pipeline_it_takes_the_folder_of_the_stage_before(tmp_path):
    stages = {
        "fourth": stage.config("powers", inputs={"numbers": "squares"}, power=2),
        "squares": stage.config("powers", count=3),
    }
    config = stage.config("pipeline", stages=stages)
    result = stage.run(config, tmp_path)
    assert list(result["stages"]) == ["squares", "fourth"]
    assert np.load(tmp_path / "fourth" / "powers.npy").tolist() == [0, 1, 16]
    assert result["stages"]["fourth"]["metrics"] == {"mean": 17 / 3}
    assert stage.run(config, tmp_path)["digest"] == result["digest"]
    assert calls == ["run", "run"]


def test_in_shards_it_gives_what_it_gives_at_once(tmp_path):
    config = stage.config("powers")
    for index in (2, 0, 1):
        stage.run_shard(config, tmp_path / "shards", shard=Shard(index, 3))
    assert calls == ["shard 2", "shard 0", "shard 1", "run"]  # the last one puts them together
    results = [stage.run(config, tmp_path / name) for name in ("shards", "once")]
    assert results[0]["digest"] == results[1]["digest"]
    assert results[0]["files"] == results[1]["files"]
    assert not (tmp_path / "shards" / "shards").exists()


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(ValueError, match="program 'train' is registered already"):
        programs.register("train", Program(DEFAULTS, run))


def test_every_field_of_a_program_is_documented():
    for field in Program._fields:
        assert f"\n        {field}: " in Program.__doc__
