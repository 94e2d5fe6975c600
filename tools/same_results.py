"""Runs small experiments with an earlier commit and with the present tree, and compares their results, bit for bit.

    python tools/same_results.py --old COMMIT [--new COMMIT_OR_PATH] [--keep DIR] [--cases demo,crops] [--devices 1,2]

Each case runs in a process that may use as many cores as the case has devices (whale_jax simulates one device a core).
Compared are, for every stage: the last weights and batch statistics, metrics.jsonl, every .npz, .npy and .csv, the
split, the names of the whales, and the metrics of result.json. NaN equals NaN. Times, rates and the optimiser's state
are left out. The exit code is 0 where all is equal, 1 where anything differs, and 2 where a case fails.

With --keep, the earlier commit's results are kept in DIR, and the next comparison runs the present tree only; the key
holds the commit, the cases, the machine and the versions of the libraries. Compare a commit with itself first: if that
differs, results depend on the timing of threads, and a difference between two commits says nothing.

The script does not import whale_jax, for either side may have another layout. Linux only.
"""

import argparse
import csv
import hashlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging
from compare_runs import compare_runs
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
VIEW = [f"--config.inputs.{kind}={{runs}}/crops-{{devices}}/{kind}" for kind in ("photos", "split")]
VIEW += ["--config.inputs.view={runs}/crops-{devices}/aligned", "--config.batch=8", "--config.epochs=2.0"]
# Arguments of each case. Use no key that an earlier commit does not have.
CASES = {
    "demo": ["--config=configs/demo.py:smoke"],
    "crops": [
        "--config=configs/crops.py:crops",
        "--config.data.root={crops}",
        "--config.stages.aligned.size=(48, 48)",
        "--config.stages.classifier0.size=(40, 40)",
        "--config.stages.classifier0.batch=8",
        "--config.stages.classifier0.epochs=2.0",
    ],
    "embedding": ["--config=configs/embedding.py:multi_similarity", *VIEW, "--config.size=(40, 40)"],
    "stn": [
        "--config=configs/stn.py:joint_slow",  # with a learning rate of its own for the localizer
        *VIEW,
        "--config.size=(40, 40)",
        "--config.task.crop=(20, 40)",
        "--config.model.crop=(20, 40)",
    ],
}
NEED_CROPS = {"embedding", "stn"}  # their photos, split and view are stages of the case crops


class Side(NamedTuple):
    """One of the two commits.

    Attributes:
        tree: the folder with the commit's files.
        runs: the folder of its results, `<case>-<devices>` each.
    """

    tree: Path
    runs: Path


def main() -> int:
    """Runs and compares; the exit code."""
    args = parse_arguments()
    os.environ["JAX_PLATFORMS"] = "cpu"  # also of what reads the checkpoints
    logging.set_verbosity(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        keep = Path(args.keep or scratch).resolve()
        keep.mkdir(parents=True, exist_ok=True)
        new = Side(check_out(args.new, keep), Path(tempfile.mkdtemp(prefix="new-", dir=keep)))
        old_tree, crops = check_out(args.old, keep), draw_crops(Path(scratch) / "crops")
        old = Side(old_tree, keep / f"{old_tree.name}-{environment(crops)}")
        old.runs.mkdir(exist_ok=True)
        rows = []
        for devices in args.devices:
            for case in args.cases:
                seconds = [run_case(case, devices, side, crops, keep) for side in (old, new)]
                name = f"{case}-{devices}"
                compared = compare_runs(old.runs / name, new.runs / name)
                rows += [(case, devices, *row) for row in compared]
                verdict = "differs" if any(row.difference for row in compared) else "equal"
                print(f"{name}: {verdict}; old {seconds[0]:.0f} s, new {seconds[1]:.0f} s", file=sys.stderr, flush=True)
        print_table(rows)
        if any(row[-1] for row in rows):
            print(f"the new results stay in {new.runs}" if args.keep else "give --keep to look at the results")
            return 1
        shutil.rmtree(new.runs)
        if Path(args.new).is_dir():
            shutil.rmtree(new.tree)
        return 0


def parse_arguments() -> argparse.Namespace:
    """The command line; a case that others need comes before them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", required=True, help="the earlier commit")
    parser.add_argument("--new", default=str(ROOT), help="a commit, or a folder with a tree (default: this one)")
    parser.add_argument("--keep", help="a folder for the results of the earlier commit (default: none are kept)")
    parser.add_argument("--cases", default=",".join(CASES), help=f"some of {', '.join(CASES)}")
    parser.add_argument("--devices", default="1,2", help="numbers of devices")
    args = parser.parse_args()
    cases, args.devices = set(args.cases.split(",")), [int(number) for number in args.devices.split(",")]
    if cases - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(cases - set(CASES)))}")
    if max(args.devices) > len(os.sched_getaffinity(0)):
        parser.error(f"{max(args.devices)} devices need as many cores, and there are {len(os.sched_getaffinity(0))}")
    cases |= {"crops"} if cases & NEED_CROPS else set()
    args.cases = [case for case in CASES if case in cases]
    return args


def check_out(source: str, keep: Path) -> Path:
    """A folder with the files of a commit, or with a copy of those of a tree, which may change while cases run."""
    (keep / "trees").mkdir(exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=keep / "trees"))
    if Path(source).is_dir():
        listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=Path(source))
        for name in filter(None, os.fsdecode(listed).split("\0")):
            if (Path(source) / name).is_file():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(Path(source) / name, partial / name)
        return partial
    commit = git("rev-parse", "--verify", f"{source}^{{commit}}").decode().strip()
    subprocess.run(["tar", "-x", "-C", str(partial)], input=git("archive", commit), check=True)
    tree = keep / "trees" / commit
    if tree.exists():
        shutil.rmtree(partial)
    else:
        partial.rename(tree)
    return tree


def git(*arguments: str, folder: Path = ROOT) -> bytes:
    """What a git command prints."""
    return subprocess.run(["git", *arguments], cwd=folder, check=True, stdout=subprocess.PIPE).stdout


def environment(crops: Path) -> str:
    """Eight digits that stand for the machine, the libraries, the cases and the crops."""
    versions = [importlib.metadata.version(name) for name in ("jax", "jaxlib", "flax", "optax", "numpy", "pillow")]
    content = [platform.node(), platform.machine(), platform.python_version(), *versions, CASES]
    content += [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(crops.rglob("*.*"))]
    return hashlib.sha256(repr(content).encode()).hexdigest()[:8]


def draw_crops(folder: Path, *, whales: int = 5, photos: int = 8, test: int = 4) -> Path:
    """Draws 224 x 224 crops with a pattern a whale on noise, and tables of whales and points, in the crops' layout."""
    key, names, points = np.random.default_rng(0), [], []
    patterns = key.integers(0, 2, (whales, 5, 5))
    for number in range(whales * photos + test):
        whale, subset = number % whales, "train" if number < whales * photos else "test"
        pixels = np.kron(key.integers(60, 140, (14, 14, 3)), np.ones((16, 16, 1)))
        x, y = key.integers(80, 100), key.integers(80, 96)
        pixels[y : y + 50, x : x + 50] += 100 * np.kron(patterns[whale], np.ones((10, 10)))[..., None]
        (folder / subset).mkdir(parents=True, exist_ok=True)
        name = f"w_{number}.jpg"
        Image.fromarray(pixels.astype(np.uint8)).save(folder / subset / name, quality=95)
        names += [(name, f"whale_{whale}")] if subset == "train" else []
        points.append((name, *(np.array([179, 112, 67, 112]) + key.integers(-9, 10, 4)).tolist()))
    tables = {
        "train.csv": [("Image", "whaleID"), *names],
        "train_with_points.csv": [("Image", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y"), *points],
    }
    for table, rows in tables.items():
        with (folder / table).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    return folder


def run_case(case: str, devices: int, side: Side, crops: Path, keep: Path) -> float:
    """Runs a case, unless its results are kept; the seconds that it took."""
    final = side.runs / f"{case}-{devices}"
    if final.exists():
        return 0.0
    began, folder = time.perf_counter(), Path(tempfile.mkdtemp(prefix=f"{case}-{devices}-", dir=side.runs))
    arguments = [argument.format(runs=side.runs, devices=devices, crops=crops) for argument in CASES[case]]
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:devices]))
    command = ["taskset", "--cpu-list", cores, sys.executable, "-m", "whale_jax.main", *arguments]
    settings = {"PYTHONPATH": str(side.tree), "CUDA_VISIBLE_DEVICES": ""}
    cache = {"JAX_COMPILATION_CACHE_DIR": str(keep / "jax_cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2"}
    with (folder / "log").open("w", encoding="utf-8") as log:
        code = subprocess.run(
            [*command, f"--workdir={folder / 'run'}"],
            cwd=side.tree,
            env={**cache, **os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code:
        print((folder / "log").read_text(encoding="utf-8")[-3000:], file=sys.stderr)
        print(f"{case} on {devices} devices fails with {side.tree}: see {folder}/log", file=sys.stderr)
        sys.exit(2)
    (folder / "run").rename(final)  # only results that are whole are kept
    shutil.rmtree(folder)
    return time.perf_counter() - began


def print_table(rows: list[tuple]) -> None:
    """One line a stage."""
    print("| case | devices | stage | files | first difference |\n| --- | --: | --- | --: | --- |")
    for case, devices, stage, files, difference in rows:
        print(f"| {case} | {devices} | {stage} | {files} | {difference or 'equal'} |")
    different = sum(bool(row[-1]) for row in rows)
    print(f"\n{sum(row[3] for row in rows)} files of {len(rows)} stages; {different or 'no'} stages differ")


if __name__ == "__main__":
    sys.exit(main())
