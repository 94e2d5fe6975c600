"""The command line: what a person got wrong comes back as one message and exit code 2."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from whale_jax import main
from whale_jax.runtime import preemption
from whale_jax.workflow import overview, stage

ROOT = Path(__file__).parents[1]
CLASSIFIER, DEMO = "--config=configs/classifier.py", "--config=configs/demo.py"
CASES = {
    "config key": ([CLASSIFIER, "--config.epohcs=1"], ["unknown config key 'epohcs': did you mean --config.epochs?"]),
    "key within": (
        [CLASSIFIER, "--config.optimizer.lrr=1"],
        ["unknown config key 'lrr': did you mean --config.optimizer.lr?"],
    ),
    "key like none": ([DEMO, "--config.xyzzy=1"], ["unknown config key 'xyzzy': see --help"]),
    "key of stages": (
        [DEMO, "--config.epochs=4"],
        ["unknown config key 'epochs': did you mean --config.stages.NAME.epochs, NAME being", "aligned_classifier or"],
    ),
    "two words": (["--config", "configs/classifier.py", "--config.epohcs=1"], ["did you mean --config.epochs?"]),
    "value": ([CLASSIFIER, "--config.epochs=many"], ["--config.epochs=many", "float"]),
    "preset": ([f"{CLASSIFIER}:smal"], ["unknown preset 'smal': did you mean small?"]),
    "config file": (["--config=configs/clasifier.py"], ["configs/clasifier.py", "No such file"]),
    "no config": ([], ["--config must have a value", "usage: python -m whale_jax.main --config="]),
    "flag": ([CLASSIFIER, "--wrokdir=x"], ["Unknown command line flag 'wrokdir'", "workdir"]),
    "shard": ([DEMO, "--shard=8/8"], ["'8/8' is no shard: 0/8 to 7/8 are eight of them"]),
    "shards of hosts": ([DEMO, "--shard=0/8", "--distributed=auto"], ["--shard is for processes that know nothing"]),
    "flags of processes": ([DEMO, "--num_processes=2"], ["only --distributed=explicit takes --num_processes"]),
    "empty workdir": ([DEMO, "--workdir="], ["--workdir is missing or empty: name the folder of the run"]),
    "argument": ([CLASSIFIER, "epochs=3"], ["unknown argument 'epochs=3'", "--config.seed=1"]),
}

REGISTERING = """
from whale_jax import programs
from whale_jax.workflow import stage
from whale_jax.workflow.program import Program

programs.register("own", Program({"inputs": {}, "seed": 0}, print))

def get_config():
    return stage.config("own")
"""

# One interpreter imports everything once and then forks for each command line.
PROGRAM = """
import os, sys
from whale_jax import main
from whale_jax.workflow import program
for name in program.names():
    program.find(name)
for arguments in {commands!r}:
    child = os.fork()
    if not child:
        sys.argv = ["main", *arguments]
        try:
            main.run()
        except SystemExit as ended:
            sys.stderr.flush()
            os._exit(ended.code or 0)
        os._exit(99)
    print("exit code", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=sys.stderr, flush=True)
    print("====", file=sys.stderr, flush=True)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Case -> standard error. The folder of the run is not made."""
    workdir = tmp_path_factory.mktemp("runs") / "new"
    path = tmp_path_factory.mktemp("configs") / "registering.py"
    path.write_text(REGISTERING)
    commands = [[f"--workdir={workdir}", *arguments] for arguments, _ in CASES.values()]
    commands += [[CLASSIFIER], [f"--config={path}", "--config.sede=1"]]
    program = PROGRAM.format(commands=commands)
    process = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    messages = process.stderr.split("====\n")
    assert len(messages) == len(commands) + 1, process.stderr
    assert not workdir.exists()
    return dict(zip([*CASES, "no workdir", "own program"], messages, strict=False))


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_gets_exit_code_2_and_a_message(answers, case):
    message = answers[case]
    assert "exit code 2" in message, message
    assert "Traceback" not in message
    assert message.count("whale_jax: ") == 1
    for words in CASES[case][1]:
        assert words in message


def test_a_config_file_that_registers_a_program_is_done_once(answers):
    message = answers["own program"]
    assert "unknown config key 'sede': did you mean --config.seed?" in message, message
    assert "exit code 2" in message


def test_help_names_configs_presets_and_how_keys_are_written(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        main.read_flags(["main", "--help"])
    assert not ended.value.code
    text = capsys.readouterr().out
    assert "--config.stages.NAME.epochs=4" in text
    assert "configs/pipeline.py\n      The post's first three approaches side by side" in text
    assert ":small :night :points :post\n" in text
    assert "configs/ablations/recipe.py:runs/crops\n" in text
    for path in (*ROOT.glob("configs/*.py"), *ROOT.glob("configs/ablations/*.py")):
        assert (str(path.relative_to(ROOT)) in text) == ("def get_config" in path.read_text(encoding="utf-8"))
    assert max(map(len, text.splitlines())) <= 130
    for name in ("workdir", "print_config", "shard", "num_processes"):
        assert f"  --{name} " in text
    monkeypatch.chdir(ROOT / "docs")
    assert f"run the command in {ROOT}." in overview.help_text({})


def test_the_command_that_comes_next_is_one_that_a_shell_reads(tmp_path):
    folder = tmp_path / "June survey 'A'"
    assert not overview.next_step(folder)
    (folder / "identified").mkdir(parents=True)
    (folder / "identified" / "result.json").touch()
    _, _, command = overview.next_step(folder).partition("\n")
    flags = [f"--config=configs/review.py:{folder}", f"--workdir={folder}/review"]
    assert shlex.split(command) == ["python", "-m", "whale_jax.main", *flags]


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_gets_no_traceback():
    command = [sys.executable, "-m", "whale_jax.main", DEMO, "--print_config"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as printing:
        printing.stdout.close()  # as `head` does
        assert printing.stderr.read() == ""


def test_a_runs_end_says_where_its_results_are(tmp_path, monkeypatch, caplog):
    for name in ("report/table.md", "submission/submission.csv", "submission/likeliest.csv", "result.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    listed = [str(path.relative_to(tmp_path)) for path in overview.results(tmp_path)]
    assert listed == ["report/table.md", "submission/submission.csv", "submission/likeliest.csv"]
    assert overview.results(tmp_path / "submission")[0] == tmp_path / "submission" / "submission.csv"
    assert overview.results(tmp_path / "other") == [tmp_path / "other" / "result.json"]
    monkeypatch.setattr(main.stage, "run", lambda config, workdir: {})
    monkeypatch.setattr(main.process, "set_up", lambda: None)
    monkeypatch.setattr(main.hosts, "connect", lambda way, **_: None)
    values = {"WORKDIR": str(tmp_path), "WAY": "none"}
    for name in ("CONFIG", "WORKDIR", "PRINT", "SHARD", "WAY", "COORDINATOR", "NUMBER", "INDEX", "TIMEOUT"):
        monkeypatch.setattr(main, name, SimpleNamespace(value=values.get(name)))
    with caplog.at_level("INFO"):
        main.main(["main"])
    assert f"the results are\n  {tmp_path}/report/table.md\n" in caplog.text


def test_the_whole_config_is_printed_and_nothing_runs(monkeypatch, capsys):
    config = stage.config("train", epochs=3.0)
    values = {"CONFIG": config, "PRINT": True}  # and no --workdir
    for name in ("CONFIG", "WORKDIR", "PRINT", "SHARD", "WAY"):
        monkeypatch.setattr(main, name, SimpleNamespace(value=values.get(name)))
    monkeypatch.setattr(main.stage, "run", lambda config, workdir: pytest.fail("it runs"))
    main.main(["main"])
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(config.to_json_best_effort())
    assert printed["epochs"] == 3.0
    assert printed["optimizer"].keys() >= {"name", "lr"}


def test_a_missing_workdir_is_named(answers):
    assert "--workdir is missing or empty" in answers["no workdir"]
    assert "exit code 2" in answers["no workdir"]


@pytest.mark.slow
def test_an_unfinished_input_is_named_from_the_shell(tmp_path):
    """The whole way once: the command as the README has it."""
    command = [
        "-m",
        "whale_jax.main",
        CLASSIFIER,
        f"--config.inputs.photos={tmp_path}",
        f"--workdir={tmp_path / 'run'}",
    ]
    process = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 2
    assert f"whale_jax: {tmp_path} holds no finished stage" in process.stderr
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_that_is_asked_to_end_is_not_one_that_failed(tmp_path):
    """By its exit code, for whoever starts it again: also where it does not train."""
    command = [sys.executable, "-m", "whale_jax.main", DEMO, f"--workdir={tmp_path / 'run'}"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "[1/" in line:
                process.terminate()
                break
        message = process.stderr.read()
        assert process.wait() == preemption.EXIT
    assert "whale_jax: asked to end: give the same command again" in message
    assert "Traceback" not in message


def test_a_run_that_is_stopped_says_how_it_goes_on(monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(main.app, "run", stopped)
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 130
    assert "give the same command again" in capsys.readouterr().err


SWALLOWING = """
import os, signal
from whale_jax.runtime import errors, preemption
preemption.listen()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except BaseException:  # as some library may
    pass
try:
    preemption.heed()
except errors.PreemptedError:
    os._exit(preemption.EXIT)
"""


def test_a_request_to_end_that_a_library_swallows_is_honoured_before_the_next_stage():
    ended = subprocess.run([sys.executable, "-c", SWALLOWING], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == preemption.EXIT, ended.stderr


def test_a_request_to_end_is_honoured_while_the_program_is_still_loaded(tmp_path):
    command = [sys.executable, "-v", "-m", "whale_jax.main", DEMO, f"--workdir={tmp_path / 'run'}"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stderr:
            if line.startswith("import 'jax"):
                process.terminate()
                break
        process.stderr.read()
        assert process.wait() == preemption.EXIT
    assert not (tmp_path / "run").exists()
