"""Many runs of one config, a line each: by a pool of processes here, by a Slurm array, on rented machines.

    python -m launch.sweep plan runs/lr --config=configs/crops.py:cpu --set data.root=crops \\
        --grid stages.classifier0.optimizer.lr=0.01,0.1 --grid stages.classifier0.seed=0,1
    python -m launch.sweep run runs/lr --processes=2
    python -m launch.sweep show runs/lr

`plan` writes runs/lr/runs.jsonl, and adds to it when it is given again; `run` does what is missing, `--only=I` line I
alone; `show` tells which are done, failed or missing, and puts those that are done side by side; `flags` prints name
and flags of each that is missing, for other engines. A run's folder and what it printed lie beside that file:
runs/lr/NAME and runs/lr/NAME.log.
"""

import argparse
import concurrent.futures
import importlib.util
import itertools
import json
import os
import queue
import re
import shlex
import shutil
import subprocess
import sys
from ast import literal_eval
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from launch import command
from whale_jax.runtime import errors, preemption
from whale_jax.workflow import overview, pool, stage

ABSENT = ("failed", "preempted", "missing")


class Line(NamedTuple):
    """A run of a sweep: what its folder is called, and the config, as the flag has it, with what it changes."""

    name: str
    config: str
    overrides: dict[str, Any]


def read(sweep: Path) -> list[Line]:
    """The runs of a sweep; a line that is none raises InputError."""
    path = sweep / "runs.jsonl"
    if not path.is_file():
        raise errors.InputError(f"{sweep} is no sweep (no runs.jsonl): plan it first")
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            lines.append(Line(**json.loads(text)))
        except (ValueError, TypeError) as error:
            what = 'is not {"name": ..., "config": ..., "overrides": {...}}'
            raise errors.InputError(f"{path}, line {number} {what}: {error}") from None
    return lines


def plan(sweep: Path, config: str, changes: Iterable[dict[str, Any]]) -> list[Line]:
    """Writes a line a run, after those that are there already; before that, each config is built and checked."""
    lines = read(sweep) if (sweep / "runs.jsonl").exists() else []
    known = [(line.config, line.overrides) for line in lines]
    new = [one for one in changes if (config, one) not in known]
    every = [*(overrides for _, overrides in known), *new]
    varied = {key for one in every for key in one if any(other.get(key) != one[key] for other in every)}
    for one in new:
        line = Line(_name(len(lines), {key: one[key] for key in one if key in varied}), config, one)
        check(line)
        lines.append(line)
    sweep.mkdir(parents=True, exist_ok=True)
    partial = sweep / "runs.jsonl.tmp"
    partial.write_text("".join(json.dumps(line._asdict()) + "\n" for line in lines), encoding="utf-8")
    partial.replace(sweep / "runs.jsonl")
    return lines


def check(line: Line) -> None:
    """Raises InputError for a config that is not there, an unknown key, or what the program finds wrong in it."""
    path, colon, argument = line.config.partition(":")
    if not Path(path).is_file():
        raise errors.InputError(f"run {line.name}: there is no config {path}")
    spec = importlib.util.spec_from_file_location("swept", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config: ConfigDict = module.get_config(*[argument] * bool(colon)).lock()
    try:
        for key in line.overrides:
            _expect(key, config)
        config.update_from_flattened_dict(line.overrides)
        stage.check(config)
    except (TypeError, ValueError) as error:
        raise errors.InputError(f"run {line.name}: {error.args[0]}") from None
    except errors.InputError as error:
        raise errors.InputError(f"run {line.name}: {error}") from None


def _expect(key: str, config: ConfigDict) -> None:
    """Raises InputError for a key, such as "optimizer.lr", that a config has not."""
    there: Any = config
    for name in key.split("."):
        known = list(there) if isinstance(there, ConfigDict) else []
        if name not in known:
            raise overview.unknown_key(config, name)
        there = there[name]


def flags(line: Line) -> list[str]:
    """A run's flags for whale_jax.main, but for the workdir."""
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in line.overrides.items()}
    return [f"--config={line.config}", *(f"--config.{key}={value}" for key, value in values.items())]


def state(sweep: Path, line: Line) -> tuple[str, str]:
    """Of a run: "done", "failed", "preempted" or "missing" (not begun, cut off or under way), and what it said last."""
    if (sweep / line.name / "result.json").exists():
        return "done", ""
    said, code = sweep / f"{line.name}.log", sweep / f"{line.name}.exit"
    if not code.exists():
        return "missing", ""
    last = [text for text in said.read_text(errors="replace").splitlines() if text.strip()][-1:]
    return "preempted" if int(code.read_text(encoding="utf-8")) == preemption.EXIT else "failed", "".join(last)


def run(sweep: Path, lines: Sequence[Line], *, together: int) -> int:
    """Does those lines that are not done, some at once; 0 if all are done then, the code of one that is not."""
    missing = [line for line in lines if state(sweep, line)[0] != "done"]
    print(f"{len(lines) - len(missing)} of {len(lines)} runs are done", flush=True)
    shares = queue.SimpleQueue()
    for share in pool.shares(min(together, len(missing))):
        shares.put(share)
    running: set[subprocess.Popen] = set()
    codes = []
    with concurrent.futures.ThreadPoolExecutor(shares.qsize()) as executor:
        futures = {executor.submit(_one, sweep, line, shares, running): line for line in missing}
        try:
            for number, future in enumerate(concurrent.futures.as_completed(futures), start=1):
                line = futures[future]
                codes.append(future.result())
                what, said = state(sweep, line)
                print(f"[{number}/{len(missing)}] {line.name}: {what}{': ' * bool(said)}{said}", flush=True)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                process.terminate()  # each saves where it is
            raise
    return next(filter(None, codes), 0)


def _one(sweep: Path, line: Line, shares: queue.SimpleQueue, running: set[subprocess.Popen]) -> int:
    """One run in a process of its own with its share of the machine; its exit code, which it leaves in NAME.exit."""
    share = shares.get()
    words = [sys.executable, "-m", "whale_jax.main", *flags(line), f"--workdir={sweep / line.name}"]
    gpu = {} if share.gpu is None else {"CUDA_VISIBLE_DEVICES": share.gpu}
    code = sweep / f"{line.name}.exit"
    code.unlink(missing_ok=True)
    with (sweep / f"{line.name}.log").open("a", encoding="utf-8") as said:
        process = subprocess.Popen(words, stdout=said, stderr=said, env={**os.environ, **gpu})
        running.add(process)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, share.cores)
        code.write_text(f"{process.wait()}\n", encoding="utf-8")
    running.discard(process)
    shares.put(share)
    return process.returncode


def show(sweep: Path, lines: Sequence[Line]) -> None:
    """Prints what became of every run, and `compare`'s table of those that are done."""
    states = {line.name: state(sweep, line) for line in lines}
    for what in ("done", *ABSENT):
        print(f"{what:10} {sum(state == what for state, _ in states.values()):4}")
    if any(state == "done" for state, _ in states.values()):
        shutil.rmtree(sweep / "compared", ignore_errors=True)
        stage.run(stage.config("compare", **compared(sweep)), sweep / "compared")


def compared(sweep: Path) -> dict[str, Any]:
    """What `compare` is told of a sweep: the folders of the runs that are done, and what became of the others."""
    states = {line.name: state(sweep, line) for line in read(sweep)}
    done = [str(sweep / name) for name, (what, _) in states.items() if what == "done"]
    absent = [": ".join(filter(None, (name, *one))) for name, one in states.items() if one[0] != "done"]
    return {"inputs": {f"run{i}": folder for i, folder in enumerate(done)}, "absent": tuple(absent)}


def grid(fixed: Sequence[str], varied: Sequence[str], listed: Path | None) -> list[dict[str, Any]]:
    """Every combination of "key=value,value" of `varied`, for every line "key=value key=value" of the file `listed`."""
    base = dict(_pair(text) for text in fixed)
    texts = listed.read_text(encoding="utf-8").splitlines() if listed else [""]
    rows = [dict(_pair(word) for word in text.split()) for text in texts if text.strip() or not listed]
    axes = [[(key, _value(value)) for value in _split(values)] for key, values in map(_halves, varied)]
    return [base | row | dict(point) for row in rows for point in itertools.product(*axes)]


def _halves(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise errors.InputError(f"{text!r} is not key=value, such as optimizer.lr=0.01")
    return key, value


def _pair(text: str) -> tuple[str, Any]:
    key, value = _halves(text)
    return key, _value(value)


def _split(values: str) -> list[str]:
    """At commas that are not inside brackets."""
    return re.findall(r"(?:\([^)]*\)|[^,])+", values)


def _value(text: str) -> Any:
    try:
        found = literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return list(found) if isinstance(found, tuple) else found


def _name(number: int, changes: dict[str, Any]) -> str:
    """ "003_lr=0.1_seed=2": a folder's name."""
    words = [f"{key.rpartition('.')[2]}={value}" for key, value in changes.items()]
    return "_".join([f"{number:03d}", *(re.sub(r"[^\w.+=-]+", "-", word) for word in words)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line entry point; the exit code."""
    parser = argparse.ArgumentParser("python -m launch.sweep", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("plan", "run", "show", "flags"):
        commands.add_parser(name).add_argument("sweep", type=Path, help="its folder")
    planned, done = commands.choices["plan"], commands.choices["run"]
    planned.add_argument("--config", required=True, help="as whale_jax.main has it")
    planned.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of all runs")
    planned.add_argument("--grid", action="append", default=[], metavar="KEY=VALUE,VALUE", help="every combination")
    planned.add_argument("--list", type=Path, metavar="FILE", help="a line KEY=VALUE KEY=VALUE a run")
    done.add_argument("--only", type=int, metavar="I", help="this line alone, counted from 0")
    done.add_argument(
        "--processes", type=int, default=1, help="runs at once, each with a GPU or its share of the cores"
    )
    given = parser.parse_args(arguments)
    if given.command == "plan":
        lines = plan(given.sweep, given.config, grid(given.set, given.grid, given.list))
        print(f"{given.sweep / 'runs.jsonl'}: {len(lines)} runs")
        return 0
    lines = read(given.sweep)
    if given.command == "show":
        show(given.sweep, lines)
        return 0
    if given.command == "flags":
        for line in lines:
            if state(given.sweep, line)[0] != "done":
                print(line.name, shlex.join(flags(line)), sep="\t")
        return 0
    if given.only is not None and not 0 <= given.only < len(lines):
        raise errors.InputError(f"--only={given.only}: {given.sweep} has the runs 0 to {len(lines) - 1}")
    preemption.listen()
    return run(given.sweep, lines if given.only is None else [lines[given.only]], together=given.processes)


if __name__ == "__main__":
    command.run("sweep", main)
