"""The log of a run: a line of JSON and TensorBoard events for each measurement."""

import json
from pathlib import Path

from absl import logging
from tensorboardX import SummaryWriter

from whale_jax.runtime import hosts, storage

NAME = "metrics.jsonl"


class Log:
    """metrics.jsonl and TensorBoard events of one run, written by the first host.

    Args:
        workdir: the run's folder.
        step: the step that the run goes on from. What was logged after it is dropped, for it comes again.
    """

    def __init__(self, workdir: Path, step: int = 0):
        self._writes = hosts.first()
        if not self._writes:
            return
        path = Path(workdir) / NAME
        content = path.read_bytes() if path.exists() else b""
        rows, damaged = _parse(content)
        if damaged:
            aside = path.with_name(f"{NAME}.damaged")
            with aside.open("ab") as file:
                file.writelines(damaged)
            logging.warning("%s: %d damaged lines are moved to %s, the others stay", path, len(damaged), aside.name)
        current = "".join(json.dumps(row) + "\n" for row in rows if row["step"] <= step).encode()
        if current != content:
            with storage.replacing(path) as partial:
                partial.write_bytes(current)
        self._file = path.open("a", encoding="utf-8")
        self._events = SummaryWriter(
            str(Path(workdir) / "tensorboard"), purge_step=step + 1
        )  # from which on events come again

    def write(self, step: int, values: dict[str, float]) -> None:
        """Adds one row; names may hold a slash, such as "valid/top1"."""
        if not self._writes:
            return
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        self._file.flush()
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def close(self) -> None:
        """Flushes both."""
        if self._writes:
            self._file.close()
            self._events.close()


def read(workdir: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics.jsonl; damaged lines, such as a last one that was cut off, are left out."""
    path = Path(workdir) / NAME
    return _parse(path.read_bytes())[0] if path.exists() else []


def _parse(content: bytes) -> tuple[list[dict[str, float]], list[bytes]]:
    """The rows of a log, and the lines that are none, but for a last one that was cut off."""
    rows, damaged = [], []
    for line in content.splitlines(keepends=True):
        try:
            row = json.loads(line)
            row["step"] + 0  # a number
        except (ValueError, TypeError, KeyError, RecursionError):
            damaged.append(line)
        else:
            rows.append(row)
    return rows, [line for line in damaged if line.endswith(b"\n")]
