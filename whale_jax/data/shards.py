"""Shards: contiguous rows of a stage's work on all photos. Processes that know nothing of each other do one each."""

import contextlib
import shutil
from pathlib import Path
from typing import NamedTuple, Self

from whale_jax.runtime.errors import InputError

FOLDER = "shards"
MARK = "done"  # the file of a shard that is whole


class Shard(NamedTuple):
    """Shard `index`, from 0, of `number` shards."""

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
        """The rows of this shard, of `count` rows in all: none is left out, and none is in two shards."""
        return slice(self.index * count // self.number, (self.index + 1) * count // self.number)

    def folder(self, workdir: Path) -> Path:
        """The folder of the shard, until all shards are put together in `workdir`."""
        return Path(workdir) / FOLDER / f"{self.index}_of_{self.number}"

    def is_complete(self, workdir: Path) -> bool:
        """Whether the shard is whole."""
        return (self.folder(workdir) / MARK).exists()

    def finish(self, workdir: Path) -> None:
        """Marks the shard as whole."""
        (self.folder(workdir) / MARK).touch()


def plan(workdir: Path) -> list[Shard]:
    """The shards that the work of a folder is divided into, in order; none where it is not divided."""
    numbers = {path.name.rpartition("_")[2] for path in (Path(workdir) / FOLDER).glob("*_of_*")}
    if len(numbers) > 1:
        raise InputError(f"{Path(workdir) / FOLDER} is divided into {' and into '.join(sorted(numbers))}: delete some")
    number = int(numbers.pop()) if numbers else 0
    return [Shard(i, number) for i in range(number)]


def folders(workdir: Path, count: int) -> list[tuple[slice, Path]]:
    """Rows, of `count`, and folder of each shard that has any, in order; none where the work is not divided."""
    pairs = [(shard.rows(count), shard.folder(workdir)) for shard in plan(workdir)]
    return [(rows, folder) for rows, folder in pairs if rows.start < rows.stop]


def remove(workdir: Path) -> None:
    """Removes all shards, once they are put together. They vanish at once, not one after the other."""
    with contextlib.suppress(FileNotFoundError):
        removed = (Path(workdir) / FOLDER).rename(Path(workdir) / f"{FOLDER}.tmp")
        shutil.rmtree(removed)
