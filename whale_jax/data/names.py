"""Which photo a table means: tools write absolute paths, people write names, with or without their ending."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from whale_jax.data import cells
from whale_jax.data.photo_files import SUFFIXES
from whale_jax.runtime import errors

_HEAD = re.compile(rf"(.*(?:{'|'.join(map(re.escape, SUFFIXES))}))#([1-9]\d*)", re.IGNORECASE | re.DOTALL)


def parse(name: str) -> tuple[str, int]:
    """The path of the photo, and which whale on it, from 1, that the name of a photo means: "a.jpg#2" the second."""
    match = _HEAD.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, 1)


def path_of(text: str) -> str:
    """The path of the photo that a file means, with / between folders and without the number of a whale on it."""
    return parse(cells.clean(text).replace("\\", "/"))[0]


class Names:
    """The names of the photos in a folder, to look up what files call them.

    A path is looked up as it is, then by as many of its last parts as tell one photo from the others, without regard
    to case unless that tells them apart, and without the ending where it has none. The name of a second
    whale on a photo, "a.jpg#2", means the photo.
    """

    def __init__(self, photos: Iterable[str]):
        """`photos`: paths below the root. Two that differ by nothing but blanks raise InputError."""
        self.photos: dict[str, str] = {}
        for name in sorted(photos):
            if (other := self.photos.setdefault(cells.clean(name), name)) != name:
                raise errors.InputError(f"{other!r} and {name!r} differ by nothing but blanks: rename one of them")
        self._by_base: Mapping[str, list[str]] = defaultdict(list)
        for name in self.photos.values():
            base = cells.clean(cells.basename(name)).casefold()
            self._by_base[base].append(name)
            self._by_base[base.rpartition(".")[0]].append(name)

    def find(self, path: str, *, home: str = "") -> tuple[str, str]:
        """The photo that a path means, and "" ; or "" and the reason why there is none.

        Args:
            path: as a file writes it.
            home: the folder of that file, as "june/": the path may be one below it, and its photos come first.
        """
        path = path_of(path)
        for candidate in (cells.clean(home) + path, path):
            if candidate in self.photos:
                return self.photos[candidate], ""
        base = cells.basename(path)
        candidates = self._by_base.get(base.casefold(), []) if base else []
        if len(candidates) > 1:
            shared = [_shared(path, name) for name in candidates]
            candidates = [name for name, count in zip(candidates, shared, strict=True) if count == max(shared)]
            exact = [name for name in candidates if cells.clean(cells.basename(name)) == base]
            candidates = exact or candidates
            candidates = [name for name in candidates if name.startswith(home)] or candidates
        if len(candidates) == 1:
            return candidates[0], ""
        if candidates:
            return "", f"is {len(candidates)} photos, {cells.examples(candidates, most=3)}: write the folder as well"
        return "", "is not there"

    def folders_shared(self, path: str, name: str) -> int | None:
        """How many folders a path shares with the photo that it was taken for; None where none contradicts it."""
        sides = [text.rpartition("/")[0] for text in (path_of(path), cells.clean(name))]
        count = _shared(*sides)
        return None if not all(sides) or count == min(len(side.split("/")) for side in sides) else count

    def hint(self, path: str) -> str:
        """The photos of the nearest names, as a question; it is slow."""
        base = cells.basename(path)
        stem = base.rpartition(".")[0].casefold()
        same = self._by_base.get(stem, []) if base.lower().endswith(SUFFIXES) else []
        return f" (did you mean {' or '.join(same[:3])}?)" if same else cells.hint(base, self.photos)


def _shared(path: str, name: str) -> int:
    """How many of the last parts of two paths are equal, without regard to case."""
    pairs = zip(reversed(path.casefold().split("/")), reversed(name.casefold().split("/")), strict=False)
    count = 0
    for first, second in pairs:
        if first != second:
            return count
        count += 1
    return count
