"""A catalogue: photos, and what is known of the whale on each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Photo(NamedTuple):
    """One whale on one photo, and its annotations.

    Attributes:
        name: of the photo, its path below the root, such as "w_1.jpg". The second whale on it is "w_1.jpg#2".
        whale: its whaleID, "" where unlabelled.
        points: (2, 2) float32 bonnet and blowhead as (x, y), in pixels; NaN where unknown.
        box: (4,) float32 head box (x, y, width, height), in pixels; NaN where unknown.
        encounter: name of the sighting, "" where unknown.
        file_size: in bytes.
        places: kind of annotation ("bonnet", "box") -> the file and row that gave it, for messages.
        date: when it was taken, as the file writes it, "" where unknown.
        file: its path below the root.
    """

    name: str
    whale: str
    points: np.ndarray
    box: np.ndarray
    encounter: str
    file_size: int
    places: Mapping[str, str]
    date: str = ""
    file: str = ""


class Catalogue(NamedTuple):
    """A folder's photos, sorted by name.

    Attributes:
        root: the folder.
        photos: all of them.
        whales: columns of the sample submission in their order, else the labels of the photos, sorted.
        read_bytes: name -> content of the photo's file. May be called from several threads.
        unused: number of annotations that speak of photos which are not there.
        sample: names of the photos in the sample submission, in its order.
        notes: lines that tell a person how the folder was understood.
        warnings: lines that a person should look into.
        formats: names of the layouts.
        gallery: the folder of the photos whose names begin with gallery_folder.PREFIX, where one was joined to it.
    """

    root: Path
    photos: tuple[Photo, ...]
    whales: tuple[str, ...]
    read_bytes: Callable[[str], bytes]
    unused: int
    sample: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    gallery: Path | None = None
