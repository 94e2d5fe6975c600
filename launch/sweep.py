"""Many runs of one config, a line each: by a pool of processes here, by a Slurm array, on rented machines.

    python -m launch.sweep plan runs/lr --config=configs/classifier.py:small --set inputs.photos=runs/small/photos \\
        --set inputs.split=runs/small/split --set inputs.view=runs/small/aligned \\
        --grid optimizer.lr=0.01,0.1 --grid seed=0,1
    python -m launch.sweep run runs/lr --processes=2
    python -m launch.sweep show runs/lr

`plan` writes runs/lr/runs.jsonl, and adds to it when it is called again. `run` does the runs that are missing, or with
`--only=I` line I alone. `show` counts those that are done, failed or missing, and compares those that are done, unless
they are pipelines: of these, `configs/compare.py` compares a stage. `flags` prints name and flags of each missing run,
for other engines. The folder of a run and its output lie beside runs.jsonl: runs/lr/NAME and runs/lr/NAME.log.
"""

import argparse
import concurrent.futures
import os
import queue
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from launch import command, lines
from launch.lines import Line
from whale_jax.runtime import errors, preemption
from whale_jax.workflow import finished_runs, pool, stage

STATES = ("done", "failed", "preempted", "missing")


class State(NamedTuple):
    """Of a run: one of STATES ("missing": not begun, cut off or under way), and the last line of its output."""

    name: str
    message: str = ""

    def __str__(self) -> str:
        return ": ".join(filter(None, self))


def state(sweep: Path, line: Line) -> State:
    """The state of a run, from the files that it has left."""
    if (sweep / line.name / "result.json").exists():
        return State("done")
    log, code = sweep / f"{line.name}.log", sweep / f"{line.name}.exit"
    if not code.exists():
        return State("missing")
    texts = [text for text in log.read_text(errors="replace").splitlines() if text.strip()]
    is_preempted = int(code.read_text(encoding="utf-8")) == preemption.EXIT
    return State("preempted" if is_preempted else "failed", "".join(texts[-1:]))


def run(sweep: Path, runs: Sequence[Line], *, processes: int) -> int:
    """Does those of the runs that are not done, several at once.

    Returns:
        0 if all are done then, or else the exit code of one that is not.
    """
    todo = [line for line in runs if state(sweep, line).name != "done"]
    print(f"{len(runs) - len(todo)} of {len(runs)} runs are done", flush=True)
    shares = queue.SimpleQueue()
    for share in pool.shares(min(processes, len(todo))):
        shares.put(share)
    running: set[subprocess.Popen] = set()
    codes = []
    with concurrent.futures.ThreadPoolExecutor(shares.qsize()) as executor:
        futures = {executor.submit(run_line, sweep, line, shares=shares, running=running): line for line in todo}
        try:
            for number, future in enumerate(concurrent.futures.as_completed(futures), start=1):
                line = futures[future]
                codes.append(future.result())
                print(f"[{number}/{len(todo)}] {line.name}: {state(sweep, line)}", flush=True)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                process.terminate()  # each saves where it is
            raise
    return next(filter(None, codes), 0)


def run_line(sweep: Path, line: Line, *, shares: queue.SimpleQueue, running: set[subprocess.Popen]) -> int:
    """One run in a process of its own with a share of the machine. Returns its exit code; NAME.exit has it, too."""
    share = shares.get()
    words = [sys.executable, "-m", "whale_jax.main", *lines.flags(line), f"--workdir={sweep / line.name}"]
    gpu = {} if share.gpu is None else {"CUDA_VISIBLE_DEVICES": share.gpu}
    code = sweep / f"{line.name}.exit"
    code.unlink(missing_ok=True)
    with (sweep / f"{line.name}.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, **gpu})
        running.add(process)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, share.cores)
        code.write_text(f"{process.wait()}\n", encoding="utf-8")
    running.discard(process)
    shares.put(share)
    return process.returncode


def show(sweep: Path, runs: Sequence[Line]) -> None:
    """Prints how many runs are in each state, and `compare`'s table of those that are done; of pipelines, none."""
    names, changes = [state(sweep, line).name for line in runs], compared(sweep)
    for name in STATES:
        print(f"{name:10} {names.count(name):4}")
    if any(finished_runs.read(folder).result["program"] == "pipeline" for folder in changes["inputs"].values()):
        print("pipelines are not compared: name a stage of each, --config=configs/compare.py:RUN/fused,RUN/fused")
    elif changes["inputs"]:
        shutil.rmtree(sweep / "compared", ignore_errors=True)
        stage.run(stage.config("compare", **changes), sweep / "compared")


def compared(sweep: Path) -> dict[str, Any]:
    """Keys of `compare` for a sweep: the folders of the runs that are done, and the states of the others."""
    states = {line.name: state(sweep, line) for line in lines.read(sweep)}
    folders = [str(sweep / name) for name, run_state in states.items() if run_state.name == "done"]
    absent = [f"{name}: {run_state}" for name, run_state in states.items() if run_state.name != "done"]
    return {"inputs": {f"run{i}": folder for i, folder in enumerate(folders)}, "absent": tuple(absent)}


def parser() -> argparse.ArgumentParser:
    """The command line: plan, run, show and flags, each with the folder of a sweep."""
    root = argparse.ArgumentParser("python -m launch.sweep", description=__doc__.splitlines()[0])
    commands = root.add_subparsers(dest="command", required=True)
    for name in ("plan", "run", "show", "flags"):
        commands.add_parser(name).add_argument("sweep", type=Path, help="folder of the sweep")
    plan, run = commands.choices["plan"], commands.choices["run"]
    plan.add_argument("--config", required=True, help="as for whale_jax.main")
    plan.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of all runs")
    plan.add_argument("--grid", action="append", default=[], metavar="KEY=VALUE,VALUE", help="every combination")
    plan.add_argument("--list", type=Path, metavar="FILE", help="a line KEY=VALUE KEY=VALUE for each run")
    run.add_argument("--only", type=int, metavar="I", help="this line alone, counted from 0")
    run.add_argument("--processes", type=int, default=1, help="runs at once, each with a GPU or a share of the cores")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line entry point; returns the exit code."""
    options = parser().parse_args(arguments)
    sweep = options.sweep
    if options.command == "plan":
        changes = lines.grid(options.set, options.grid, table=options.list)
        print(f"{sweep / lines.FILE}: {len(lines.plan(sweep, options.config, changes=changes))} runs")
        return 0
    runs = lines.read(sweep)
    if options.command == "run":
        if options.only is not None and not 0 <= options.only < len(runs):
            raise errors.InputError(f"--only={options.only}: {sweep} has the runs 0 to {len(runs) - 1}")
        preemption.listen()
        return run(sweep, runs if options.only is None else [runs[options.only]], processes=options.processes)
    if options.command == "show":
        show(sweep, runs)
    else:
        for line in runs:
            if state(sweep, line).name != "done":
                print(line.name, shlex.join(lines.flags(line)), sep="\t")
    return 0


if __name__ == "__main__":
    command.run("sweep", main)
