"""What a run says: a line of JSON and TensorBoard events a measurement."""

import json
from pathlib import Path

from tensorboardX import SummaryWriter

from whale_jax import hosts


class Log:
    """metrics.jsonl and TensorBoard events of one run, written by the first host.

    Args:
        workdir: the run's folder.
        step: the step that the run goes on from; what was logged after it is dropped, for it comes again.
    """

    def __init__(self, workdir: Path, step: int = 0):
        self._writes = hosts.first()
        if not self._writes:
            return
        path = Path(workdir) / "metrics.jsonl"
        kept = [row for row in read(workdir) if row["step"] <= step]
        path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")
        self._events = SummaryWriter(str(Path(workdir) / "tensorboard"), purge_step=step or None)

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
    """The rows of a run's metrics.jsonl; a last line that was cut off is left out."""
    path = Path(workdir) / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows
