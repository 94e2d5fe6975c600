"""Runs a command, and keeps a copy of its run's folder in a bucket, where the next machine finds it.

    python -m launch.mirror runs/big s3://bucket/big -- python -m whale_jax.main --config=... --workdir=runs/big

The files in the bucket are fetched first; then changed files are sent every minute, and once more at the end. A step of
a checkpoint is sent when it is whole. A list of the files that belong together is sent last, and a machine fetches the
files on it: a machine that is lost while it sends costs a minute. The bucket is any address of fsspec; S3 needs s3fs,
Google's needs gcsfs.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fsspec

from launch import command
from whale_jax.runtime import errors

LIST = "mirror.json"
TRIES = 10  # to send the last files of a command
UNFINISHED = (".tmp", ".lock", ".orbax-checkpoint-tmp")


class Mirror:
    """A folder of this machine, and its copy at an address such as "s3://bucket/run"."""

    def __init__(self, folder: Path, address: str):
        self._folder, self._address = folder, address.rstrip("/")
        try:
            local = {"auto_mkdir": True} if fsspec.utils.get_protocol(self._address) == "file" else {}
            self._bucket, self._root = fsspec.core.url_to_fs(self._address, **local)
            self._sent: dict[str, list[int]] = self._read()
            self._write(self._sent)  # fails now, and not when the run has ended
        except Exception as error:  # each library has errors of its own
            advice = "may this machine write there, and is the library for such addresses installed?"
            raise errors.InputError(f"{address}: {error or type(error).__name__}: {advice}") from error

    def fetch(self) -> int:
        """Copies the files of the bucket that the folder lacks, or has of an earlier time; returns their number.

        They keep their times, so that they are not sent again. Times are compared: machines' clocks must agree.
        """
        existing = dict(self._files())
        behind = {name: stamp for name, (_, stamp) in self._sent.items() if existing.get(name, (0, -1))[1] < stamp}
        for name, stamp in behind.items():
            (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
            partial = self._folder / f"{name}.tmp"
            self._bucket.get_file(f"{self._root}/{name}", str(partial))
            os.utime(partial, ns=(stamp, stamp))
            partial.replace(self._folder / name)
        return len(behind)

    def send(self) -> int:
        """Copies new and changed files, and removes those from the bucket that the folder has no more.

        Returns:
            The number of files sent; 0 where one disappeared meanwhile, such as the step before the last. The next
            call sends the rest.
        """
        files = dict(self._files())
        changed = [name for name, stamp in files.items() if self._sent.get(name) != stamp]
        try:
            for name in changed:
                self._bucket.put_file(str(self._folder / name), f"{self._root}/{name}")
        except FileNotFoundError:
            return 0
        removed = [name for name in self._sent if name not in files]
        if changed or removed:
            self._write(files)
        self._sent = files
        for name in removed:
            self._bucket.rm_file(f"{self._root}/{name}")
        return len(changed)

    def _files(self) -> Iterator[tuple[str, list[int]]]:
        """Name and [size, time] of each file that is whole."""
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder).as_posix()
            if not any(mark in name for mark in UNFINISHED) and path.is_file():
                stat = path.stat()
                yield name, [stat.st_size, stat.st_mtime_ns]

    def _read(self) -> dict[str, list[int]]:
        try:
            with self._bucket.open(f"{self._root}/{LIST}") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def _write(self, files: dict[str, list[int]]) -> None:
        with self._bucket.open(f"{self._root}/{LIST}", "w") as file:
            json.dump(files, file)


def run(mirror: Mirror, words: Sequence[str], *, seconds: float) -> int:
    """Runs a command to its end and sends its files every so many seconds. A signal to end is passed on to it.

    Returns:
        The command's exit code. Files that cannot be sent at the end raise InputError.
    """
    print(f"fetched {mirror.fetch()} files", flush=True)
    with _started(words) as process:
        while True:
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                _try(mirror)
                continue
            except KeyboardInterrupt:
                continue  # the command gets the signal too, and ends
            for _ in range(TRIES):
                if _try(mirror):
                    return code
                time.sleep(seconds)
            message = f"the command ended with {code}, and its last files could not be sent: send them again"
            raise errors.InputError(message)


@contextlib.contextmanager
def _started(words: Sequence[str]) -> Iterator[subprocess.Popen]:
    """A process that is asked to end whenever this one is, within the block."""
    process, requested = None, []

    def end(*_: Any) -> None:
        requested.append(True)
        if process:
            process.terminate()

    before = signal.signal(signal.SIGTERM, end)
    try:
        process = subprocess.Popen(words)
        if requested:  # while it started
            process.terminate()
        yield process
    finally:
        signal.signal(signal.SIGTERM, before)


def _try(mirror: Mirror) -> bool:
    """Whether all could be sent. An error is printed: a network that fails for a while must not end a run."""
    try:
        mirror.send()
    except Exception as error:
        print(f"launch.mirror: not sent, {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line entry point; returns the exit code of the command."""
    parser = argparse.ArgumentParser("python -m launch.mirror", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of the run")
    parser.add_argument("address", help="address of its copy, such as s3://bucket/run")
    parser.add_argument("--every", type=float, default=60, metavar="SECONDS")
    parser.add_argument("command", nargs="+", help="after --: the command that works in the folder")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    return run(Mirror(options.folder, options.address), options.command, seconds=options.every)


if __name__ == "__main__":
    command.run("mirror", main)
