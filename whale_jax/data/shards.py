"""Shards: contiguous rows of what is made of all photos. Processes that know nothing of each other make one each."""

import contextlib
import shutil
from pathlib import Path
from typing import NamedTuple, Self

from whale_jax.runtime.errors import InputError

FOLDER = "shards"
DONE = "done"


class Shard(NamedTuple):
    """One of `number` shards, counted from 0."""

    index: int
    number: int

    @classmethod
    def read(cls, text: str) -> Self:
        """The shard that "3/8" names; InputError where it names none."""
        index, slash, number = text.partition("/")
        if not (slash and index.isdecimal() and number.isdecimal() and int(index) < int(number)):
            raise InputError(f"{text!r} is no shard: 0/8 to 7/8 are eight of them")
        return cls(int(index), int(number))

    def rows(self, count: int) -> slice:
        """Which of so many rows are its own: none is left out, or done twice."""
        return slice(self.index * count // self.number, (self.index + 1) * count // self.number)

    def folder(self, workdir: Path) -> Path:
        """Where it is, until all are put together in `workdir`."""
        return Path(workdir) / FOLDER / f"{self.index}_of_{self.number}"

    def done(self, workdir: Path) -> bool:
        """Whether it is whole."""
        return (self.folder(workdir) / DONE).exists()

    def finish(self, workdir: Path) -> None:
        """Says that it is whole."""
        (self.folder(workdir) / DONE).touch()


def every(workdir: Path) -> list[Shard]:
    """The shards into which the work of a folder has been dealt out, in order; none where it has not."""
    numbers = {path.name.rpartition("_")[2] for path in (Path(workdir) / FOLDER).glob("*_of_*")}
    if len(numbers) > 1:
        raise InputError(
            f"{Path(workdir) / FOLDER} is dealt out into {' and into '.join(sorted(numbers))}: delete some"
        )
    number = int(numbers.pop()) if numbers else 0
    return [Shard(i, number) for i in range(number)]


def parts(workdir: Path, count: int) -> list[tuple[slice, Path]]:
    """Rows, of `count`, and folder of each shard that has any, in order; none where nothing has been dealt out."""
    own = [(shard.rows(count), shard.folder(workdir)) for shard in every(workdir)]
    return [(rows, folder) for rows, folder in own if rows.start < rows.stop]


def remove(workdir: Path) -> None:
    """Removes them all, when they have been put together; from the first moment on, none is there."""
    with contextlib.suppress(FileNotFoundError):
        gone = (Path(workdir) / FOLDER).rename(Path(workdir) / f"{FOLDER}.tmp")
        shutil.rmtree(gone)
