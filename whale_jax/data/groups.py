"""Groups: photos that must stay on one side of a split, by encounters that a table names and by bursts.

A burst shows one whale in one pass. It is recognised by the head: photos of other whales share the sea around it.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.sparse import coo_array, csgraph

from whale_jax import frames
from whale_jax.data import names
from whale_jax.data.right_whale import Photos
from whale_jax.runtime import progress

HEAD_SIZE = (32, 64)  # (height, width) in pixels of the heads that are compared
BURST = 0.16  # likeness above which two heads of one whale are of one burst, see `likeness`
BLOCK = 1024  # heads that are compared at once


def by_encounter(photos: Photos) -> np.ndarray:
    """(N,) int groups of photos with one encounter, in order of the first photo; one without is a group of its own."""
    return _in_order(np.where(photos.encounter == "", _alone(photos), np.char.add("!", photos.encounter.astype(str))))


def of_one_whale(photos: Photos) -> np.ndarray:
    """(N,) int groups as `by_encounter`, but for encounters of several whales, whose photos are groups of their own.

    There are several where one photo shows two heads, "a.jpg" and "a.jpg#2".
    """
    group, files = by_encounter(photos), np.array([names.parse(name)[0] for name in photos.name])
    pairs, count = np.unique(np.stack([group.astype(str), files]), axis=1, return_counts=True)
    several = np.isin(group, pairs[0][count > 1].astype(int))
    return _in_order(np.where(several, _alone(photos), np.char.add("!", group.astype(str))))


def _alone(photos: Photos) -> np.ndarray:
    """(N,) str, a name for the group of each photo by itself."""
    return np.char.add("?", np.arange(len(photos.name)).astype(str))


def _in_order(names: np.ndarray) -> np.ndarray:
    """(N,) int groups of equal (N,) names, in order of the first row of each."""
    _, first, group = np.unique(names, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[group]


def with_copies(group: np.ndarray, photos: Photos) -> np.ndarray:
    """(N,) int groups, those joined that hold the same file: it has two names, or shows two whales."""
    copied = photos.file is not None and len(np.unique(photos.file)) < len(photos.file)
    return join(group, photos.file) if copied else group


def join(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(N,) int groups of photos that either of two (N,) groupings joins, directly or by way of others."""
    starts = [np.unique(groups, return_index=True, return_inverse=True) for groups in (first, second)]
    return _components(len(first), [(np.arange(len(first)), index[inverse]) for _, index, inverse in starts])


def near_duplicates(heads: np.ndarray, label: np.ndarray, *, pictured: np.ndarray | None = None) -> np.ndarray:
    """(N,) int groups of photos whose heads look as in one burst, directly or by way of others.

    Photos of two named whales are joined only by way of photos without a name. Where one head seems to have two names,
    the labels are wrong, which a split can neither mend nor profit from; and so two whales are not joined by chance. A
    photo without a name is compared with all, so it must look more alike: see `nameless_burst`.

    Args:
        heads: (N, *HEAD_SIZE, 3) uint8 aligned heads, see `head_matrices`.
        label: (N,) int whale, -1 where unlabelled.
        pictured: (N,) bool, whether a photo without a name has a head; without one, it is a group of its own. None
            stands for all.
    """
    links = []
    for whale in np.unique(label[label >= 0]):
        rows = np.flatnonzero(label == whale)
        links.append(rows[np.stack(np.nonzero(likeness(heads[rows]) > BURST))])
    usable = np.ones(len(label), bool) if pictured is None else pictured
    nameless, compared = np.flatnonzero((label < 0) & usable), np.flatnonzero((label >= 0) | usable)
    return _components(len(label), [*links, *pairs_alike(heads, nameless, candidates=compared)])


def look_like_any(pictures: np.ndarray, references: np.ndarray) -> np.ndarray:
    """(n,) bool, which of (n, h, w, 3) uint8 pictures look as in one burst with any of (m, h, w, 3) references."""
    heads, rows = _thumbnails([*pictures, *references]), np.arange(len(pictures))
    pairs = pairs_alike(heads, rows, candidates=np.arange(len(pictures), len(heads)))
    return np.isin(rows, np.concatenate([np.empty((2, 0), int), *pairs], axis=1)[0])


def pairs_alike(heads: np.ndarray, rows: np.ndarray, *, candidates: np.ndarray) -> Iterator[np.ndarray]:
    """(2, pairs) rows of (N, *HEAD_SIZE, 3) heads that look as in one burst, whatever their names.

    The first of a pair is one of `rows`, the second one of `candidates`. They are compared in blocks, so that the
    memory does not depend on their number.
    """
    if not (len(rows) and len(candidates)):
        return
    least = nameless_burst(len(candidates))
    with progress.bar(len(rows), title="bursts", unit="photos") as bar:
        for first in range(0, len(rows), BLOCK):
            block = rows[first : first + BLOCK]
            for start in range(0, len(candidates), BLOCK):
                near = candidates[start : start + BLOCK]
                row, column = np.nonzero(likeness(heads[block], heads[near]) > least)
                yield np.stack([block[row], near[column]])
            bar.update(len(block))


def nameless_burst(count: int) -> float:
    """Likeness above which two heads are of one burst, where one of them has no name and `count` were compared with it.

    Of 7.5 million pairs of two whales among 3,882 heads, 150 are more alike than 0.32, and for every 0.05 more a sixth
    of those. So one photo in thirteen is joined to one of another whale by chance, however many are compared, and such
    groups stay small (27 photos at most). A quarter of the pairs of one whale above BURST are found.
    """
    return max(BURST, 0.32 + 0.05 * float(np.log(count / 3882) / np.log(6)))


def likeness(heads: np.ndarray, candidates: np.ndarray | None = None) -> np.ndarray:
    """(n, m) how much n heads and m candidates look as in one pass: in detail, and in the colour of the water.

    Detail is the best correlation of high-passed grey over shifts of one pixel, at most 1; from it goes 0.01 a
    grey level (of 255) that the water differs by in its worst channel. On 3,882 heads of 447 whales, of 22,396 pairs
    of one whale 858 are above 0.16, of pairs of two whales 0.3 %. Judged by pairs of one whale in clearly different
    water, about 86 % of those 858 share a sighting. Without candidates, the heads are compared with each other.
    """
    (detail, water), (other_detail, other_water) = _look(heads), _look(heads if candidates is None else candidates)
    alike = np.maximum(_correlation(detail, other_detail), _correlation(other_detail, detail).T)
    return alike - 0.01 * np.abs(water[:, None] - other_water[None]).max(-1)


def _look(heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, *HEAD_SIZE) detail and (n, 3) colour of the water of (n, *HEAD_SIZE, 3) heads."""
    heads = heads.astype(np.float32)
    grey = heads.mean(-1)
    detail = grey - _blur(grey, 1.5)
    detail /= np.sqrt(_blur(detail**2, 3)) + 4  # each part of the head counts alike; flat water stays quiet
    rim = np.concatenate([heads[:, :4], heads[:, -4:]], axis=1)
    return detail, np.median(rim.reshape(len(heads), -1, 3), axis=1)


def _correlation(still: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(n, m) best correlation of (n, height, width) details with (m, height, width) over shifts of one pixel."""
    height, width = still.shape[1:]
    centre = _unit(still[:, 1:-1, 1:-1])
    shifts = [moved[:, y : height - 2 + y, x : width - 2 + x] for y in range(3) for x in range(3)]
    return np.max([centre @ _unit(shift).T for shift in shifts], axis=0)


def head_matrices(photos: Photos) -> np.ndarray:
    """(N, 3, 3) from photo pixels to heads of HEAD_SIZE: by the points, else the box, else the whole photo."""
    matrices = np.array(frames.whole(photos.size, HEAD_SIZE))
    for better in (frames.box(photos.box, HEAD_SIZE), frames.head(photos.points, HEAD_SIZE)):
        usable = np.isfinite(better).all((1, 2))
        matrices[usable] = np.asarray(better)[usable]
    return matrices


def _thumbnails(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """(n, *HEAD_SIZE, 3) uint8 of n pictures, squashed."""
    shrunk = [Image.fromarray(picture).resize(HEAD_SIZE[::-1], Image.Resampling.HAMMING) for picture in pictures]
    return np.array(shrunk, np.uint8).reshape(-1, *HEAD_SIZE, 3)


def _blur(pictures: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(pictures, (0, sigma, sigma), mode="nearest")


def _unit(pictures: np.ndarray) -> np.ndarray:
    """(n, pixels) with mean 0 and length 1."""
    flat = pictures.reshape(len(pictures), -1)
    flat = flat - flat.mean(1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _components(count: int, links: list) -> np.ndarray:
    """(count,) int the connected component of each row, given pairs of arrays of rows."""
    first, second = np.concatenate([np.empty((2, 0), int), *links], axis=1)
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(count, count))
    return csgraph.connected_components(graph, directed=False)[1]
