"""Runs a command, and keeps a copy of its run's folder in a bucket, where the next machine finds it.

    python -m launch.mirror runs/big s3://bucket/big -- python -m whale_jax.main --config=... --workdir=runs/big

What the bucket holds is fetched first; then what has changed is sent every minute, and once more at the end. Steps of
checkpoints are sent when they are whole. A list of what belongs together is sent last: who fetches takes what it names,
so a machine that is lost while it sends costs a minute. Any address of fsspec will do; S3 needs s3fs, Google's gcsfs.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import fsspec

from launch import command
from whale_jax.runtime import errors

LIST = "mirror.json"
TRIES = 10  # to send what a command has made last
UNFINISHED = (".tmp", ".lock", ".orbax-checkpoint-tmp")


class Mirror:
    """A folder and its copy.

    Args:
        folder: here.
        address: there, such as "s3://bucket/run".
    """

    def __init__(self, folder: Path, address: str):
        self._folder, self._address = folder, address.rstrip("/")
        try:
            local = {"auto_mkdir": True} if fsspec.utils.get_protocol(self._address) == "file" else {}
            self._there, self._root = fsspec.core.url_to_fs(self._address, **local)
            self._sent: dict[str, list[int]] = self._read()
            self._write(self._sent)  # or a run would end before anybody learns that it may not
        except Exception as error:  # each library has errors of its own
            what = "may this machine write there, and is the library for such addresses installed?"
            raise errors.InputError(f"{address}: {error or type(error).__name__}: {what}") from error

    def fetch(self) -> int:
        """Copies what is there and not here; the number of files."""
        absent = [name for name in self._sent if not (self._folder / name).exists()]
        for name in absent:
            (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
            partial = self._folder / f"{name}.tmp"
            self._there.get_file(f"{self._root}/{name}", str(partial))
            partial.replace(self._folder / name)
        return len(absent)

    def send(self) -> int:
        """Copies what is new or has changed, and removes there what is gone here; the number of files sent.

        What is removed here meanwhile, such as the step before the last, is left to the next time.
        """
        found = dict(self._files())
        changed = [name for name, stamp in found.items() if self._sent.get(name) != stamp]
        try:
            for name in changed:
                self._there.put_file(str(self._folder / name), f"{self._root}/{name}")
        except FileNotFoundError:
            return 0
        gone = [name for name in self._sent if name not in found]
        self._sent = found
        if changed or gone:
            self._write(found)
        for name in gone:
            self._there.rm_file(f"{self._root}/{name}")
        return len(changed)

    def _files(self) -> Iterator[tuple[str, list[int]]]:
        """Of each file that is whole, its name and [size, time]."""
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if not any(mark in name for mark in UNFINISHED) and path.is_file():
                stat = path.stat()
                yield name, [stat.st_size, stat.st_mtime_ns]

    def _read(self) -> dict[str, list[int]]:
        try:
            with self._there.open(f"{self._root}/{LIST}") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def _write(self, names: dict[str, list[int]]) -> None:
        with self._there.open(f"{self._root}/{LIST}", "w") as file:
            json.dump(names, file)


def run(mirror: Mirror, words: Sequence[str], *, every: float) -> int:
    """Runs the command to its end while the mirror follows; its exit code. A signal to end is passed on to it."""
    print(f"fetched {mirror.fetch()} files", flush=True)
    process = subprocess.Popen(words)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            code = process.wait(every)
        except subprocess.TimeoutExpired:
            _try(mirror)
            continue
        except KeyboardInterrupt:
            continue  # the command has it too, and ends
        for _ in range(TRIES):
            if _try(mirror):
                return code
            time.sleep(every)
        raise errors.InputError(f"the command ended with {code}, and what it made last lies here alone: send it again")


def _try(mirror: Mirror) -> bool:
    """Sends, and says what hinders it: a network that is away for a while must not end a run."""
    try:
        mirror.send()
    except Exception as error:
        print(f"launch.mirror: not sent, {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line entry point; the exit code is the command's."""
    parser = argparse.ArgumentParser("python -m launch.mirror", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the run")
    parser.add_argument("address", help="of its copy, such as s3://bucket/run")
    parser.add_argument("--every", type=float, default=60, metavar="SECONDS")
    parser.add_argument("command", nargs="+", help="after --: what works in the folder")
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    return run(Mirror(given.folder, given.address), given.command, every=given.every)


if __name__ == "__main__":
    command.run("mirror", main)
