"""Frozen splits: folds over groups of photos that belong together, written once before anything trains.

A burst photographed in one pass shows one whale in one light and one pose: were one of its photos in
training and the next in validation, the validation would be flattered. So folds are made of groups: given
encounters, and near-duplicates of the head. (Of the head: strangers share the sea around them.)
"""

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array, csgraph

from whale_jax import geometry
from whale_jax.data.right_whale import Photos
from whale_jax.errors import InputError

HEAD_SIZE = (32, 64)  # (height, width) in pixels of the heads that are compared
BURST = 0.16  # likeness above which two heads of one whale are of one burst, see `likeness`


class Split(NamedTuple):
    """Which photo is held out when. N is the number of photos, labelled or not.

    Attributes:
        fold: (N,) int32 0..folds-1, -1 where unlabelled.
        single: (N,) bool, photos of whales that only one fold has: they always train, or no one would know them.
        group: (N,) int32, equal for photos that are kept on one side; -1 where unlabelled.
        hash: of all that the file says.
        folds: their number.
        seed: what the ties were drawn with.
    """

    fold: np.ndarray
    single: np.ndarray
    group: np.ndarray
    hash: str
    folds: int
    seed: int


def train_rows(split: Split, fold: int) -> np.ndarray:
    """Rows to train on when `fold` is held out."""
    return np.flatnonzero((split.fold >= 0) & ((split.fold != fold) | split.single))


def valid_rows(split: Split, fold: int) -> np.ndarray:
    """Rows that are held out with `fold`."""
    return np.flatnonzero((split.fold == fold) & ~split.single)


def outside_rows(split: Split, part: int, parts: int) -> np.ndarray:
    """Rows to train on for predicting `inside_rows`: cross-fitting, where identity does not matter."""
    return np.flatnonzero((split.fold >= 0) & (split.fold % parts != part))


def inside_rows(split: Split, part: int, parts: int) -> np.ndarray:
    """Labelled rows that the one of `parts` (2 to folds) networks predicts that did not see them."""
    return np.flatnonzero((split.fold >= 0) & (split.fold % parts == part))


def make(photos: Photos, *, folds: int, seed: int, groups: np.ndarray) -> Split:
    """Deals groups out to folds: stratified by whale, and the folds of one size.

    Args:
        photos: N photos.
        folds: 2 or more.
        seed: for the order of groups of one size.
        groups: (N,) int, equal for labelled photos that belong together; unlabelled rows are not looked at.

    Returns:
        The split. Too few groups for `folds` raise InputError.
    """
    known = np.flatnonzero(photos.label >= 0)
    number = np.unique(groups[known], return_inverse=True)[1]
    count = number.max(initial=-1) + 1
    if not 2 <= folds <= count:
        raise InputError(f"{folds} folds: it takes 2 or more, and no more than the {count} groups of labelled photos")
    counts = np.zeros((count, len(photos.whales)), int)
    np.add.at(counts, (number, photos.label[known]), 1)

    fold, group = np.full((2, len(photos.name)), -1, np.int32)
    group[known], fold[known] = number, _deal(counts, folds=folds, seed=seed)[number]
    folds_of = np.zeros((len(photos.whales), folds), bool)
    folds_of[photos.label[known], fold[known]] = True
    single = (photos.label >= 0) & (folds_of.sum(1) == 1)[photos.label]
    split = Split(fold, single, group, "", folds, seed)
    return split._replace(hash=_hash(_facts(split, photos)))


def _deal(counts: np.ndarray, *, folds: int, seed: int) -> np.ndarray:
    """(groups,) the fold of each group, given (groups, whales) counts of photos.

    Largest first; each goes where its whales are fewest, and of such folds to the smallest. Whales with
    one group are never held out: they come last, or what is held out would differ in size from fold to fold.
    """
    alone = (((counts > 0).sum(0) == 1)[None] | (counts == 0)).all(1)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.lexsort((-counts.sum(1)[order], alone[order]))]
    dealt, fold = np.zeros((folds, counts.shape[1]), int), np.zeros(len(counts), int)
    for group in order:
        whales = np.flatnonzero(counts[group])
        crowd = dealt[:, whales] @ counts[group, whales]
        fold[group] = np.lexsort((dealt.sum(1), crowd))[0]
        dealt[fold[group]] += counts[group]
    return fold


def save(folder: Path, photos: Photos, split: Split) -> None:
    """Writes splits.json, once: the same split may be there already, another raises InputError."""
    path = Path(folder) / "splits.json"
    if path.exists():
        if load(folder, photos).hash != split.hash:
            raise InputError(f"{path} is another split, which later stages may rely on: choose another folder")
        return
    partial = path.with_name("splits.json.partial")
    partial.write_text(json.dumps({"hash": split.hash, **_facts(split, photos)}))
    os.replace(partial, path)


def load(folder: Path, photos: Photos) -> Split:
    """The split that `save` left in `folder`. A file that was changed, or is of other photos, raises InputError."""
    path = Path(folder) / "splits.json"
    try:
        facts = json.loads(path.read_text())
        written = facts.pop("hash")
        names, columns = facts["name"], {key: np.array(facts[key], np.int32) for key in ("fold", "single", "group")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise InputError(f"{path} is no split file ({type(e).__name__}: {e}): run the split stage") from e
    if written != _hash(facts):
        raise InputError(f"{path} was changed after it was written: take it from a backup or split anew")
    if strangers := sorted(set(names) ^ set(photos.name.tolist())):
        few = ", ".join(strangers[:3])
        raise InputError(f"{path} is a split file of other photos: {len(strangers)} are not in both, such as {few}")
    if facts["photos"] != photos.digest:
        raise InputError(f"{path} is a split file of other photos: of these names, with other labels, marks or pixels")
    columns["single"] = columns["single"].astype(bool)
    return Split(**columns, hash=written, folds=facts["folds"], seed=facts["seed"])


def _facts(split: Split, photos: Photos) -> dict:
    columns = {"name": photos.name, "fold": split.fold, "single": split.single, "group": split.group}
    columns = {key: column.tolist() for key, column in columns.items()}
    return {"photos": photos.digest, "folds": split.folds, "seed": split.seed, **columns}


def _hash(facts: dict) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def by_encounter(photos: Photos) -> np.ndarray:
    """(N,) int groups of photos with one encounter; a photo without is a group of its own."""
    own = np.char.add("?", np.arange(len(photos.name)).astype(str))
    given = np.char.add("!", photos.encounter.astype(str))
    return np.unique(np.where(photos.encounter == "", own, given), return_inverse=True)[1]


def join(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N,) int groups of photos that either of two (N,) groupings joins, directly or by way of others."""
    starts = [np.unique(groups, return_index=True, return_inverse=True) for groups in (first, second)]
    return _components(len(first), [(np.arange(len(first)), index[inverse]) for _, index, inverse in starts])


def near_duplicates(heads: np.ndarray, label: np.ndarray) -> np.ndarray:
    """(N,) int groups of photos of one whale whose heads look as in one burst, directly or by way of others.

    Photos of two whales are never joined: what looks like one head under two names is an error of the
    labels, which a split can neither mend nor profit from; and strangers cannot be joined by chance.

    Args:
        heads: (N, *HEAD_SIZE, 3) uint8 aligned heads, see `head_matrices`.
        label: (N,) int whale, -1 where unlabelled: those are groups of their own.
    """
    links = []
    for whale in np.unique(label[label >= 0]):
        rows = np.flatnonzero(label == whale)
        links.append(rows[np.stack(np.nonzero(likeness(heads[rows]) > BURST))])
    return _components(len(label), links)


def likeness(heads: np.ndarray) -> np.ndarray:
    """(n, n) how much heads look as photographed in one pass: in detail, and in the colour of the water.

    Detail is the best correlation of high-passed grey over shifts of one pixel, at most 1; from it goes 0.01 a
    grey level (of 255) that the water differs by in its worst channel. On 3,882 heads of 447 whales, of 22,396 pairs
    of one whale 858 are above 0.16, of pairs of two whales 0.3 %. Judged by pairs of one whale in clearly different
    water, about 86 % of those 858 share a sighting.
    """
    heads = heads.astype(np.float32)
    grey = heads.mean(-1)
    detail = grey - _blur(grey, 1.5)
    detail /= np.sqrt(_blur(detail**2, 3)) + 4  # each part of the head counts alike; flat water stays quiet
    height, width = grey.shape[1:]
    centre = _unit(detail[:, 1:-1, 1:-1])
    shifts = [detail[:, y : height - 2 + y, x : width - 2 + x] for y in range(3) for x in range(3)]
    alike = np.max([centre @ _unit(shift).T for shift in shifts], axis=0)
    rim = np.concatenate([heads[:, :4], heads[:, -4:]], axis=1)
    water = np.median(rim.reshape(len(heads), -1, 3), axis=1)
    return np.maximum(alike, alike.T) - 0.01 * np.abs(water[:, None] - water[None]).max(-1)


def head_matrices(photos: Photos) -> np.ndarray:
    """(N, 3, 3) from photo pixels to heads of HEAD_SIZE: by the points, else the box, else the whole photo."""
    height, width = HEAD_SIZE
    # As the competition's crops: a frame of two head lengths by one, bonnet to the right.
    frame = np.array([[0.798 * width, height / 2], [0.299 * width, height / 2]], np.float32) - 0.5
    x, y, box_width, box_height = photos.box.T
    boxed = geometry.compose(geometry.translation(-x, -y), geometry.scaling(width / box_width, height / box_height))
    matrices = np.array(geometry.resize(photos.size.T, HEAD_SIZE))
    for better in (boxed, geometry.fit_similarity(photos.points, frame)):
        usable = np.isfinite(better).all((1, 2))
        matrices[usable] = np.asarray(better)[usable]
    return matrices


def _blur(pictures: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(pictures, (0, sigma, sigma), mode="nearest")


def _unit(pictures: np.ndarray) -> np.ndarray:
    """(n, pixels) with mean 0 and length 1."""
    flat = pictures.reshape(len(pictures), -1)
    flat = flat - flat.mean(1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _components(count: int, links: list) -> np.ndarray:
    """(count,) int the connected component of each row, given pairs of arrays of rows."""
    one, other = np.concatenate([np.empty((2, 0), int), *links], axis=1)
    graph = coo_array((np.ones(len(one), bool), (one, other)), shape=(count, count))
    return csgraph.connected_components(graph, directed=False)[1]
