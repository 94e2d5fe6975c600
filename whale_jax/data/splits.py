"""Frozen splits: folds over groups of photos that belong together, written once before anything trains.

A burst photographed in one pass shows one whale in one light and one pose: were one of its photos in
training and the next in validation, the validation would be flattered. So folds are made of groups (`groups`).
"""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from whale_jax.data.right_whale import Photos, annotated, located
from whale_jax.runtime import storage
from whale_jax.runtime.errors import InputError


class Split(NamedTuple):
    """Which photo is held out when. N is the number of photos, labelled or not.

    Attributes:
        fold: (N,) int32 0..folds-1, or -1 of photos that nothing is learned from: neither labelled nor annotated, or of
            unknown whales, which are in no training.
        label: (N,) int32 whale, -1 where unlabelled. An unlabelled photo that has a fold teaches only heads.
        single: (N,) bool, photos of whales that only one fold has, and of their groups. They are always trained on, or
            no network would know those whales.
        group: (N,) int32, equal for photos that stay on one side, in the whales' order; -1 where there is no fold.
        hash: of the content of the file.
        folds: their number.
        seed: of the random order in which groups of one size get their folds.
    """

    fold: np.ndarray
    label: np.ndarray
    single: np.ndarray
    group: np.ndarray
    hash: str
    folds: int
    seed: int

    @property
    def named(self) -> np.ndarray:
        """(N,) bool, whether labelled."""
        return self.label >= 0


NO_FOLD = -1  # the fold that holds out nothing


def held_out(split: Split, fold: int) -> np.ndarray:
    """(N,) bool, photos in `fold`: none where it is NO_FOLD. A fold that the split does not have raises InputError.

    Photos of unknown whales and photos that nothing is learned from are in no fold, so they are never held out.
    """
    if not NO_FOLD <= fold < split.folds:
        advice = f"the split has folds 0 to {split.folds - 1}, and {NO_FOLD} holds out none"
        raise InputError(f"config.fold = {fold}: {advice}")
    return (split.fold == fold) & (fold != NO_FOLD)


def train_rows(split: Split, fold: int) -> np.ndarray:
    """(n,) labelled rows to train on when `fold` is held out."""
    return np.flatnonzero(split.named & (split.fold >= 0) & (~held_out(split, fold) | split.single))


def valid_rows(split: Split, fold: int) -> np.ndarray:
    """(n,) labelled rows that are held out with `fold`."""
    return np.flatnonzero(split.named & held_out(split, fold) & ~split.single)


def measured_rows(split: Split, fold: int) -> np.ndarray:
    """(n,) `valid_rows` for a stage that needs some; InputError where there is none."""
    if not len(rows := valid_rows(split, fold)):
        raise InputError(f"config.fold = {fold} holds no photo out to measure on: choose another, from 0 on")
    return rows


def unknown_rows(split: Split) -> np.ndarray:
    """(n,) labelled rows of the unknown whales, on which "none of these" is measured."""
    return np.flatnonzero(split.named & (split.fold < 0))


def summary(split: Split) -> dict[str, object]:
    """The numbers by which a person would distinguish two splits of the same photos."""
    return {
        "hash": split.hash,
        "folds": split.folds,
        "seed": split.seed,
        "groups of photos": int(split.group.max(initial=-1)) + 1,
        "photos of unknown whales": len(unknown_rows(split)),
        "photos held out with each fold": [len(valid_rows(split, fold)) for fold in range(split.folds)],
    }


def prior(photos: Photos, split: Split, *, fold: int) -> np.ndarray:
    """(whales,) share of each whale in the photos trained on; each counts half a photo more, so that no share is 0."""
    count = np.bincount(photos.label[train_rows(split, fold)], minlength=len(photos.whales)) + 0.5
    return count / count.sum()


def subfolds(split: Split, count: int, *, fold: int = NO_FOLD) -> np.ndarray:
    """(N,) the subfold, 0 to `count` - 1, of each photo for cross-fitting; -1 of photos with no fold or in `fold`.

    Groups of one whale follow each other in number. Placed in turn, they make subfolds of one size, and spread a whale
    of several groups over several subfolds.
    """
    subfold = np.full(len(split.fold), -1)
    members = (split.fold >= 0) & ~held_out(split, fold)
    subfold[members] = np.unique(split.group[members], return_inverse=True)[1] % count
    return subfold


def in_one_subfold(split: Split, subfold: np.ndarray) -> np.ndarray:
    """(n,) rows of the whales that only one of the (N,) subfolds has, and of their groups, which stay whole.

    A network that trains on the other subfolds would not know those whales.
    """
    members = np.flatnonzero(split.named & (subfold >= 0))
    group = split.group[members]
    return members[np.isin(group, group[_in_one_place(split.label[members], subfold[members])])]


def make(photos: Photos, *, folds: int, seed: int, groups: np.ndarray, unknown_fraction: float = 0.0) -> Split:
    """Divides groups into folds: stratified by whale, and of one size.

    Args:
        photos: N photos.
        folds: 2 or more.
        seed: for the order of groups of one size.
        groups: (N,) int, equal for photos that belong together; rows without label and annotation are ignored.
        unknown_fraction: share of the whales, drawn by the seed, whose photos are in no fold.

    Returns:
        The split. Too few groups for `folds` raise InputError.
    """
    named = annotated(photos, "label")
    if not 0 <= unknown_fraction < 1:
        raise InputError(f"unknown_fraction is a share of the whales, from 0 to below 1, not {unknown_fraction}")
    whales = np.random.default_rng([seed, 1]).permutation(len(photos.whales))
    unknown = named & np.isin(photos.label, whales[: int(np.ceil(unknown_fraction * len(whales)))])
    members = np.flatnonzero(~unknown & (named | located(photos)))
    _, first, number = np.unique(groups[members], return_index=True, return_inverse=True)
    number = np.argsort(np.argsort(photos.label[members][first], kind="stable"))[number]  # in the whales' order
    count = len(first)
    if not 2 <= folds <= count:
        available = f"the {count} groups of labelled or annotated photos"
        raise InputError(f"{folds} folds: it takes 2 or more, and no more than {available}")
    whale = np.where(named, photos.label, len(photos.whales))  # the last is of photos without a name
    shape = (count, len(photos.whales) + 1)
    counts = csr_array((np.ones(len(members), int), (number, whale[members])), shape=shape)  # a group has few whales

    fold, group = np.full((2, len(photos.name)), -1, np.int32)
    group[members], fold[members] = number, _deal(counts, folds=folds, seed=seed)[number]
    trained = np.flatnonzero(named & ~unknown)
    single = np.zeros(len(named), bool)
    lone = group[trained][_in_one_place(photos.label[trained], fold[trained])]
    single[trained] = np.isin(group[trained], lone)  # an encounter of several whales stays whole
    split = Split(fold, photos.label, single, group, "", folds, seed)
    return split._replace(hash=_hash(_facts(split, photos)))


def _in_one_place(whale: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(n,) bool, whether a row's whale is in one place alone, by (n,) whales and (n,) places: folds or subfolds."""
    pairs = np.unique(np.stack([whale, place], axis=1), axis=0)
    return np.bincount(pairs[:, 0])[whale] == 1


def _deal(counts: csr_array, *, folds: int, seed: int) -> np.ndarray:
    """(groups,) the fold of each group, given (groups, whales) counts of photos.

    Largest first; each goes where its whales are fewest, and of such folds to the smallest. Whales with
    one group are never held out: they come last, or what is held out would differ in size from fold to fold.
    """
    groups_of_whale = np.bincount(counts.indices, minlength=counts.shape[1])
    alone = np.logical_and.reduceat(groups_of_whale[counts.indices] == 1, counts.indptr[:-1])
    order = np.random.default_rng(seed).permutation(len(alone))
    order = order[np.lexsort((-counts.sum(1)[order], alone[order]))]
    placed, size = np.zeros((counts.shape[1], folds), int), np.zeros(folds, int)
    fold = np.zeros(len(alone), int)
    for group in order:
        entries = slice(*counts.indptr[group : group + 2])
        whales, photos = counts.indices[entries], counts.data[entries]
        crowd = photos @ placed[whales]
        fold[group] = np.lexsort((size, crowd))[0]
        placed[whales, fold[group]] += photos
        size[fold[group]] += photos.sum()
    return fold


def save(folder: Path, photos: Photos, *, split: Split) -> None:
    """Writes splits.json, once: the same split may be there already, another raises InputError."""
    path = Path(folder) / "splits.json"
    if path.exists():
        if load(folder, photos).hash != split.hash:
            raise InputError(f"{path} is another split, which later stages may rely on: choose another folder")
        return
    storage.write_text(path, json.dumps({"hash": split.hash, **_facts(split, photos)}))


def load(folder: Path, photos: Photos) -> Split:
    """The split that `save` left in `folder`. A file that was changed, or is of other photos, raises InputError."""
    path = Path(folder) / "splits.json"
    with storage.reading(path):
        facts = json.loads(path.read_text(encoding="utf-8"))
        written = facts.pop("hash")
        names, columns = facts["name"], {key: np.array(facts[key], np.int32) for key in ("fold", "single", "group")}
    if written != _hash(facts):
        raise InputError(f"{path} was changed after it was written: take it from a backup or split anew")
    if unshared := sorted(set(names) ^ set(photos.name.tolist())):
        few = ", ".join(unshared[:3])
        raise InputError(f"{path} is a split file of other photos: {len(unshared)} are not in both, such as {few}")
    if facts["photos"] != photos.digest:
        raise InputError(f"{path} is a split file of other photos: of these names, with other labels, marks or pixels")
    columns |= {"single": columns["single"].astype(bool), "label": photos.label}
    return Split(**columns, hash=written, folds=facts["folds"], seed=facts["seed"])


def names(folder: Path) -> list[str]:
    """Names of the photos that the split in `folder` is of; none where its file is gone or damaged."""
    try:
        return json.loads((Path(folder) / "splits.json").read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, KeyError):
        return []


def _facts(split: Split, photos: Photos) -> dict:
    columns = {"name": photos.name, "fold": split.fold, "single": split.single, "group": split.group}
    columns = {key: column.tolist() for key, column in columns.items()}
    return {"photos": photos.digest, "folds": split.folds, "seed": split.seed, **columns}


def _hash(facts: dict) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
