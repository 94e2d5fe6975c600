"""Shards: contiguous rows of what is made of all photos. Processes that know nothing of each other make one each."""

import shutil
from pathlib import Path
from typing import NamedTuple, Self

from whale_jax.errors import InputError

FOLDER = "shards"


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
        if self.number > count:
            raise InputError(f"{count} photos cannot be dealt out to {self.number} shards: make fewer")
        return slice(self.index * count // self.number, (self.index + 1) * count // self.number)

    def folder(self, workdir: Path) -> Path:
        """Where it is, until all are put together in `workdir`."""
        return Path(workdir) / FOLDER / f"{self.index}_of_{self.number}"


def number(workdir: Path) -> int:
    """Into how many shards the work of a folder has been dealt out, 0 where it has not."""
    numbers = {path.name.rpartition("_")[2] for path in (Path(workdir) / FOLDER).glob("*_of_*") if path.is_dir()}
    if len(numbers) > 1:
        raise InputError(
            f"{Path(workdir) / FOLDER} is dealt out into {' and into '.join(sorted(numbers))}: delete some"
        )
    return int(numbers.pop()) if numbers else 0


def folders(workdir: Path) -> list[Path]:
    """Those of all shards, in order; none where nothing has been dealt out."""
    count = number(workdir)
    return [Shard(i, count).folder(workdir) for i in range(count)]


def remove(workdir: Path) -> None:
    """Removes them all, when they have been put together."""
    shutil.rmtree(Path(workdir) / FOLDER, ignore_errors=True)
