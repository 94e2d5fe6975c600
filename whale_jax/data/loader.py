"""Batches of a view with the annotations of each photo: shuffled for training, in order and padded for evaluation.

A training batch is a function of the step alone, so a run that is resumed at step s goes on with batch s.
"""

import functools
from collections.abc import Callable, Iterator

import grain
import numpy as np

from whale_jax.data.images import View
from whale_jax.data.right_whale import Photos
from whale_jax.runtime import hosts

Example = dict[str, np.ndarray]


class Examples:
    """Row -> example: a random-access source of image, view, index, label, photos, points, box and mask.

    Args:
        photos: N photos.
        view: their pictures and the matrices that made them.
        rows: rows that are learned from; `photos` of an example counts those that show its whale. None stands for all.
        target: (N, whales) probability of each whale, `target` of an example; None leaves it out.
    """

    def __init__(self, photos: Photos, view: View, rows: np.ndarray | None = None, *, target: np.ndarray | None = None):
        label = photos.label if rows is None else photos.label[rows]
        count = np.bincount(label[label >= 0], minlength=photos.label.max(initial=-1) + 2)  # the last is of label -1
        self._images = view.images
        self._columns = {
            "view": np.asarray(view.matrices, np.float32),
            "index": np.arange(len(photos.name), dtype=np.int32),
            "label": np.asarray(photos.label, np.int32),
            "photos": count[photos.label].astype(np.float32),
            "points": np.asarray(photos.points, np.float32),
            "box": np.asarray(photos.box, np.float32),
            "mask": np.ones(len(photos.name), np.float32),
        } | ({} if target is None else {"target": target})

    def __getitem__(self, rows) -> Example:
        """One example, or a batch of them for an array of rows."""
        return {"image": np.asarray(self._images[rows]), **{name: value[rows] for name, value in self._columns.items()}}

    def __len__(self) -> int:
        return len(self._images)


def training(
    examples: Examples,
    rows: np.ndarray,
    *,
    batch: int,
    seed: int,
    label: np.ndarray | None = None,
    images_per_class: int = 1,
    shards: int = 1,
) -> Callable[[int], Example]:
    """step -> this host's share of a batch, in an order that is drawn anew each epoch; a batch may span two epochs.

    Args:
        examples: all of them.
        rows: (n,) rows that are trained on, each once an epoch.
        batch: number of rows a step, on all hosts together.
        seed: of the order.
        label: (N,) whale of each example, for `images_per_class`.
        images_per_class: photos of a whale that follow each other, if it has as many: K of P x K sampling. The rest of
            a whale's photos, or the only photo of a whale, are negatives for others.
        shards: number of shards of the rows, each shuffled separately. A batch has as many rows of each shard, so a
            host reads only its own shards, and any number of hosts that divides `shards` does the same run.
    """
    places, quota = range(batch)[hosts.share(batch)], batch // shards
    if images_per_class > 1:
        orders = [Grouped(rows, label[rows], images_per_class=images_per_class, seed=seed)]
    else:
        seeded = (grain.MapDataset.source(rows[s::shards]).seed(seed * shards + s) for s in range(shards))
        orders = [dataset.shuffle().repeat(None) for dataset in seeded]
    return lambda step: examples[np.array([orders[i // quota][step * quota + i % quota] for i in places])]


class Grouped:
    """Rows, epoch after epoch without end, in an order in which `images_per_class` rows of a whale are neighbours."""

    def __init__(self, rows: np.ndarray, label: np.ndarray, *, images_per_class: int, seed: int):
        self._rows, self._label, self._images_per_class, self._seed = rows, label, images_per_class, seed
        self._epoch = functools.lru_cache(maxsize=2)(self._draw)

    def __getitem__(self, i: int) -> int:
        """The i-th row."""
        epoch, place = divmod(i, len(self._rows))
        return self._epoch(epoch)[place]

    def _draw(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self._seed, epoch])
        order = rng.permutation(len(self._rows))
        order = order[np.argsort(self._label[order], kind="stable")]  # whale after whale, each in a new order
        _, first, whale = np.unique(self._label[order], return_index=True, return_inverse=True)
        clump = np.stack([whale, (np.arange(len(order)) - first[whale]) // self._images_per_class])
        number = np.unique(clump, axis=1, return_inverse=True)[1]
        return self._rows[order[np.argsort(rng.permutation(number.max() + 1)[number], kind="stable")]]


def evaluation(examples: Examples, rows: np.ndarray, *, batch: int) -> Iterator[Example]:
    """This host's share of the examples of (n,) `rows`, in order, in batches of one size.

    The last batch is filled up with copies whose mask is 0.
    """
    share = hosts.share(batch)
    for start in range(0, len(rows), batch):
        members = rows[start : start + batch]
        padded = examples[np.resize(members, batch)[share]]
        padded["mask"] = (np.arange(batch) < len(members)).astype(np.float32)[share]
        yield padded
