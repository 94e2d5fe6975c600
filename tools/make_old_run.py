"""Packs a very small run of an earlier commit, for the test that such runs stay readable.

    python -m tools.make_old_run COMMIT tests/fixtures/old_run.tar.xz

Whales are drawn, their points are found, one network names them, and a report is written, in a minute. The archive
holds the folder `old_run`, whose stages name each other by paths relative to the folder above it.
"""

import argparse
import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

STAGES = (
    *("drawn", "photos", "split", "whole", "aligner", "aligned", "aligned_classifier"),
    *("features", "stack", "calibrated", "submission", "report"),
)
# Reads nothing but what every commit has: the demo's smoke preset, and keys that have not changed their names.
CONFIG = f"""
from configs import demo

MODEL = {{"stem": (4, 3, 2), "stages": ((4, 1), (8, 1))}}

def get_config():
    config = demo.get_config("smoke")
    with config.unlocked():
        for name in set(config.stages) - set({STAGES}):
            del config.stages[name]
        for stage in config.stages.values():
            for name, source in stage.get("inputs", {{}}).items():
                if source and source not in config.stages:
                    stage.inputs[name] = ""
            if "epochs" in stage:
                stage.update({{"epochs": 1.0, "model": MODEL}})
    stages = config.stages
    stages.drawn.update({{"whales": 3, "photos": 20, "test": 2, "width": 96}})
    stages.whole.size = stages.aligner.size = (32, 32)
    stages.aligned.size = stages.aligned_classifier.size = (24, 48)
    stages.aligner.task.bins = 16
    stages.aligned.inputs.predictions = "aligner"
    return config
"""
# Of no use to a test: drawn photos, which the import holds too, the report, and what says where the run was.
LEFT_OUT = {"imgs", "report", ".lock", "tensorboard", "commit_success.txt"}


def main(argv: list[str]) -> None:
    """Runs the pipeline in a worktree of the commit, and packs its folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("archive", type=Path)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", tree, args.commit], check=True)
        try:
            run(tree)
            pack(tree / "old_run", args.archive)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], check=True)
    print(f"{args.archive}: {args.archive.stat().st_size:,} bytes")


def run(tree: Path) -> None:
    """Runs the small pipeline with the code of a tree, into its folder old_run."""
    (tree / "old_run_config.py").write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "whale_jax.main", "--config=old_run_config.py", "--workdir=old_run"]
    subprocess.run(command, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, check=True)


def pack(folder: Path, archive: Path) -> None:
    """Packs a folder so that the same files give the same bytes."""
    with (
        lzma.open(archive, "wb", preset=9 | lzma.PRESET_EXTREME) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".png" and LEFT_OUT.isdisjoint(path.parts):
                info = tarfile.TarInfo(str(path.relative_to(folder.parent)))
                info.size = path.stat().st_size
                with path.open("rb") as file:
                    tar.addfile(info, file)


if __name__ == "__main__":
    main(sys.argv[1:])
