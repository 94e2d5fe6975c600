"""A gallery in a folder of its own: labelled photos, imported with those of the folder that a person asks about.

Their names begin with PREFIX, by which they are told from the others ever after.
"""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from whale_jax.data import annotations
from whale_jax.data.catalogue import Catalogue, Photo
from whale_jax.data.right_whale import Photos
from whale_jax.data.rows import Settings
from whale_jax.runtime.errors import InputError

PREFIX = "gallery/"


def gallery_rows(photos: Photos) -> np.ndarray:
    """(N,) bool, which photos are of the gallery: those whose names begin with PREFIX."""
    return np.array([name.startswith(PREFIX) for name in photos.name.tolist()], bool)


def read(root: str | Path, settings: Settings) -> Catalogue:
    """The catalogue of a gallery. What `annotations.read` refuses, and photos without any name, raise InputError."""
    try:
        catalogue = annotations.read(root, settings)
    except InputError as error:
        lines = str(error).replace("--config.format=", "--config.gallery_format=").splitlines()
        raise InputError("\n".join(f"gallery: {line}" for line in lines)) from error
    if not any(photo.whale for photo in catalogue.photos):
        advice = "name some in a table beside them, or by a folder for each whale; or leave gallery empty"
        raise InputError(f"gallery: no photo in {root} has the name of a whale: {advice}")
    return catalogue


def join(catalogue: Catalogue, gallery: Catalogue) -> Catalogue:
    """Both catalogues as one. The names of the gallery's photos begin with PREFIX, and lines about it say so.

    A folder inside the other, or a name that the first catalogue has already, raises InputError.
    """
    root, other = catalogue.root.resolve(), gallery.root.resolve()
    if root.is_relative_to(other) or other.is_relative_to(root):
        reason = "one of them lies in the other, and its photos would be there twice"
        raise InputError(f"root is {catalogue.root} and gallery is {gallery.root}: {reason}: move it out")
    if clashes := [photo.name for photo in catalogue.photos if photo.name.startswith(PREFIX)]:
        reason = f"{clashes[0]} and other photos in it have names that those of the gallery get"
        raise InputError(f"{catalogue.root / PREFIX}: {reason}: rename this folder")
    photos = [*catalogue.photos, *map(_prefixed, gallery.photos)]
    return catalogue._replace(
        photos=tuple(sorted(photos, key=lambda photo: photo.file)),
        whales=tuple(sorted({*catalogue.whales, *gallery.whales})),
        read_bytes=functools.partial(_read, catalogue.read_bytes, gallery.read_bytes),
        unused=catalogue.unused + gallery.unused,
        notes=(*catalogue.notes, *(f"gallery: {line}" for line in gallery.notes)),
        warnings=(*catalogue.warnings, *(f"gallery: {line}" for line in gallery.warnings)),
        formats=tuple(dict.fromkeys([*catalogue.formats, *gallery.formats])),
        gallery=gallery.root,
    )


def _prefixed(photo: Photo) -> Photo:
    places = {kind: f"gallery: {place}" for kind, place in photo.places.items()}
    return photo._replace(name=PREFIX + photo.name, file=PREFIX + photo.file, places=places)


def _read(first: Callable[[str], bytes], second: Callable[[str], bytes], name: str) -> bytes:
    """The content of a photo's file in one of the two folders."""
    return second(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else first(name)
