"""A sweep does the runs that are missing, and shows the state of every run."""

import json

import pytest

from launch import lines, sweep
from whale_jax.runtime import errors
from whale_jax.workflow import json_files
from whale_jax.workflow.program import PROGRAMS

CONFIG = """
from whale_jax.workflow import stage

def get_config(whales="3"):
    return stage.config("draw", whales=int(whales), photos=6, test=1, width=96)
"""


REGISTERING = """
from whale_jax import programs
from whale_jax.workflow import stage
from whale_jax.workflow.program import Program

programs.register("pairs_of_sizes", Program({"inputs": {}, "seed": 0, "pairs": ((1, 2),)}, print))

def get_config():
    return stage.config("pairs_of_sizes")
"""  # a file that registers a program, which may be done once in a process


@pytest.fixture
def config(tmp_path):
    """A config of some drawn photos."""
    path = tmp_path / "drawn.py"
    path.write_text(CONFIG)
    return str(path)


def planned(folder, config, *arguments):
    assert sweep.main(["plan", str(folder), f"--config={config}", *arguments]) == 0
    return lines.read(folder)


def test_a_grid_is_every_combination_and_a_list_a_line_each(tmp_path):
    listed = tmp_path / "list"
    listed.write_text("size=(8,9) photos=5\n\nphotos=7\n")
    runs = lines.grid(["seed=1"], ["lr=0.1,1e-3", "name=adam,(1,2)"], table=listed)
    assert len(runs) == 8
    assert runs[0] == {"seed": 1, "size": [8, 9], "photos": 5, "lr": 0.1, "name": "adam"}
    assert runs[-1] == {"seed": 1, "photos": 7, "lr": 0.001, "name": [1, 2]}
    assert lines.grid([], []) == [{}]


def test_values_within_values_are_planned_once(tmp_path):
    arguments = ["--grid=seed=1,2", "--set=pairs=((8,9),(10,11))"]
    path = tmp_path / "registering.py"
    path.write_text(REGISTERING)
    runs = planned(tmp_path / "pods", str(path), *arguments)
    assert [line.overrides for line in runs] == [{"seed": seed, "pairs": [[8, 9], [10, 11]]} for seed in (1, 2)]
    assert planned(tmp_path / "pods", str(path), *arguments) == runs
    del PROGRAMS["pairs_of_sizes"]


@pytest.mark.slow
def test_runs_that_are_missing_are_done_and_the_others_left(tmp_path, config, capsys):
    runs = planned(tmp_path / "pods", config, "--grid=seed=1,2", "--set=test=2")
    assert [line.name for line in runs] == ["000_seed=1", "001_seed=2"]
    assert sweep.main(["run", str(tmp_path / "pods"), "--only=1"]) == 0
    assert [sweep.state(tmp_path / "pods", line).name for line in runs] == ["missing", "done"]
    result_path = tmp_path / "pods" / "001_seed=2" / "result.json"
    before = result_path.stat().st_mtime_ns
    assert json_files.read(result_path.parent / "config.json")["test"] == 2
    extended = planned(tmp_path / "pods", config, "--grid=seed=1,2,3", "--set=test=2")
    assert extended == [*runs, lines.Line("002_seed=3", config, {"seed": 3, "test": 2})]
    assert sweep.main(["run", str(tmp_path / "pods"), "--processes=2"]) == 0
    assert {sweep.state(tmp_path / "pods", line).name for line in extended} == {"done"}
    assert result_path.stat().st_mtime_ns == before
    assert "1 of 3 runs are done" in capsys.readouterr().out


@pytest.mark.slow
def test_what_failed_and_what_is_missing_is_told_beside_what_is_done(tmp_path, config):
    """`compare` lists them under its table, too."""
    folder = tmp_path / "pods"
    first, second, third = planned(folder, config, "--grid=seed=1,2,3")
    rows = [first, second._replace(overrides={"whales": -1}), third]
    (folder / "runs.jsonl").write_text("".join(json.dumps(line._asdict()) + "\n" for line in rows))
    assert sweep.main(["run", str(folder), "--only=1"]) == 2
    assert sweep.main(["run", str(folder), "--only=0"]) == 0
    comparison = sweep.compared(folder)
    assert comparison["inputs"] == {"run0": str(folder / "000_seed=1")}
    failed, missing = comparison["absent"]
    assert missing == "002_seed=3: missing"
    assert failed.startswith("001_seed=2: failed: whale_jax: ")
    assert "whales" in failed


def test_a_run_that_a_signal_ended_is_not_one_that_is_done(tmp_path, config, monkeypatch):
    planned(tmp_path / "pods", config, "--grid=seed=1,2")
    monkeypatch.setattr(sweep, "run_line", lambda folder, line, **_: {"000_seed=1": -9, "001_seed=2": 0}[line.name])
    assert sweep.main(["run", str(tmp_path / "pods")]) == -9


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--grid=whale=1,2", "run 000_whale=1: unknown config key 'whale': did you mean --config.whales"),
        ("--grid=stages.a.lrr=1,2", "run 000_lrr=1: unknown config key 'stages'"),
        ("--grid=whales=many", "whales"),
        ("--set=whales", "key=value"),
        ("--config=nowhere.py", "nowhere.py"),
    ],
)
def test_a_line_that_cannot_run_is_found_when_it_is_planned(tmp_path, config, argument, message):
    with pytest.raises(errors.InputError, match=f"(?s){message}"):
        sweep.main(["plan", str(tmp_path / "pods"), f"--config={config}", argument])
    assert not (tmp_path / "pods").exists()


def test_what_is_no_sweep_is_said(tmp_path):
    with pytest.raises(errors.InputError, match="plan it first"):
        sweep.main(["run", str(tmp_path)])
    (tmp_path / "runs.jsonl").write_text('{"name": "a", "config": "b", "overrides": {}}\n{"name": "a"}\n')
    with pytest.raises(errors.InputError, match="line 2"):
        sweep.main(["show", str(tmp_path)])
