import json
import tracemalloc

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from whale_jax.data import right_whale, splits
from whale_jax.runtime.errors import InputError


def as_photos(label, *, encounter=None, points=None, box=None, size=(64, 96), files=(), digest="d"):
    label = np.asarray(label, np.int32)
    n, whales = len(label), tuple(f"whale_{i}" for i in range(label.max() + 1))
    return right_whale.Photos(
        name=np.array([f"w_{i}.jpg" for i in range(n)]),
        whale=np.array([whales[i] if i >= 0 else "" for i in label]),
        label=label,
        points=np.full((n, 2, 2), np.nan, np.float32) if points is None else np.asarray(points, np.float32),
        box=np.full((n, 4), np.nan, np.float32) if box is None else np.asarray(box, np.float32),
        encounter=np.full(n, "") if encounter is None else np.asarray(encounter),
        size=np.tile(np.array(size, np.int32), (n, 1)),
        whales=whales,
        digest=digest,
        jpeg=list(files).__getitem__,
    )


def long_tail(seed=0, whales=120, unlabelled=40):
    """Labels as the competition's: a median of 9 photos a whale, some with 1, some with 40."""
    rng = np.random.default_rng(seed)
    counts = np.clip(rng.gamma(1.3, 8, whales).astype(int), 1, 47)
    counts[:8] = 1
    return rng.permutation(np.concatenate([np.repeat(np.arange(whales), counts), np.full(unlabelled, -1)]))


def bursts(label, seed=0):
    """Groups of 1 to 5 photos of one whale."""
    rng = np.random.default_rng(seed)
    groups = label * 1000 + rng.integers(0, np.maximum(np.bincount(label + 1)[label + 1] // 2, 1))
    return np.where(label >= 0, groups, -1)


def whale_spread(fold, label):
    """Photos of each whale in its fullest fold less those in its emptiest, summed over whales."""
    counts = np.zeros((label.max() + 1, fold.max() + 1), int)
    np.add.at(counts, (label, fold), 1)
    return (counts.max(1) - counts.min(1)).sum()


@pytest.mark.parametrize("folds", [2, 5])
def test_what_is_held_out_is_fair(folds):
    label = long_tail()
    groups = bursts(label)
    split = splits.make(as_photos(label), folds=folds, seed=0, groups=groups)
    assert ((split.fold >= 0) == (label >= 0)).all()
    held_out = []
    for fold in range(folds):
        train, valid = splits.train_rows(split, fold), splits.valid_rows(split, fold)
        np.testing.assert_array_equal(np.sort(np.concatenate([train, valid])), np.flatnonzero(label >= 0))
        assert not set(groups[train]) & set(groups[valid])
        assert set(label[valid]) <= set(label[train])
        held_out.append(len(valid))
    assert sum(held_out) == (~split.single & (label >= 0)).sum()
    assert max(held_out) - min(held_out) <= 5


def test_single_are_the_whales_of_one_group_and_no_other():
    label = long_tail()
    groups = bursts(label)
    split = splits.make(as_photos(label), folds=4, seed=0, groups=groups)
    alone = [whale for whale in range(label.max() + 1) if len(set(groups[label == whale])) == 1]
    np.testing.assert_array_equal(split.single, np.isin(label, alone))
    assert (np.bincount(label[label >= 0])[alone] > 1).any()  # a whale of one burst is among them


def test_as_stratified_as_can_be():
    label = long_tail(unlabelled=0)
    split = splits.make(as_photos(label), folds=5, seed=0, groups=np.arange(len(label)))
    assert whale_spread(split.fold, label) == (np.bincount(label) % 5 != 0).sum()  # at most one photo each


@pytest.mark.filterwarnings("ignore:The least populated class")
def test_stratifies_groups_as_well_as_scikit_learn():
    label = long_tail(unlabelled=0)
    groups = bursts(label)
    split = splits.make(as_photos(label), folds=5, seed=0, groups=groups)
    reference = np.zeros(len(label), int)
    for i, (_, rows) in enumerate(StratifiedGroupKFold(5).split(label, label, groups)):
        reference[rows] = i
    assert whale_spread(split.fold, label) <= whale_spread(reference, label)
    assert np.ptp(np.bincount(split.fold)) <= np.ptp(np.bincount(reference)) + 1


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("fold", [-1, 0])
def test_parts_are_of_one_size_keep_groups_together_and_share_the_whales(count, fold):
    label = long_tail()
    groups = bursts(label)
    split = splits.make(as_photos(label), folds=5, seed=0, groups=groups)
    part = splits.subfolds(split, count, fold=fold)
    np.testing.assert_array_equal(part >= 0, (label >= 0) & (split.fold != fold))
    groups_of = [set(groups[part == i]) for i in range(count)]
    assert sum(map(len, groups_of)) == len(set(groups[part >= 0]))
    assert max(map(len, groups_of)) - min(map(len, groups_of)) <= 1
    for whale in range(label.max() + 1):
        members = (label == whale) & (part >= 0)
        assert len(set(part[members])) == min(count, len(set(groups[members])))


def test_a_photo_without_a_name_teaches_where_the_head_is_and_nothing_else():
    label = long_tail()
    points = np.full((len(label), 2, 2), np.nan)
    points[np.flatnonzero(label < 0)[::2]] = 1  # half of the nameless are annotated, and none of the others
    photos = as_photos(label, points=points)
    split = splits.make(photos, folds=5, seed=0, groups=np.arange(len(label)))
    nameless = np.flatnonzero(label < 0)
    np.testing.assert_array_equal(split.fold[nameless] >= 0, np.isfinite(points[nameless]).all((1, 2)))
    assert np.ptp(np.bincount(split.fold[nameless][::2], minlength=5)) == 0  # dealt out evenly: 20 over 5 folds
    assert not split.single[nameless].any()
    for fold in range(5):
        assert (label[splits.train_rows(split, fold)] >= 0).all()
        assert (label[splits.valid_rows(split, fold)] >= 0).all()
    np.testing.assert_array_equal(splits.subfolds(split, 2) >= 0, split.fold >= 0)
    unnamed = as_photos(np.full(6, -1), points=np.ones((6, 2, 2)))
    assert (splits.make(unnamed, folds=2, seed=0, groups=np.arange(6)).fold >= 0).all()


def test_the_seed_decides_and_the_hash_tells():
    photos, groups = as_photos(long_tail()), np.arange(len(long_tail()))
    first, again, other = (splits.make(photos, folds=5, seed=seed, groups=groups) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.fold, again.fold)
    assert first.hash == again.hash != other.hash
    assert (first.fold != other.fold).any()
    assert splits.make(photos._replace(digest="e"), folds=5, seed=0, groups=groups).hash != first.hash


@pytest.mark.parametrize("folds", [1, 4])
def test_too_few_groups(folds):
    with pytest.raises(InputError, match=f"{folds} folds"):
        splits.make(as_photos([0, 0, 1, 1, -1]), folds=folds, seed=0, groups=np.array([0, 1, 2, 2, 3]))


def test_what_is_saved_is_loaded(tmp_path):
    photos = as_photos(long_tail())
    split = splits.make(photos, folds=5, seed=7, groups=bursts(photos.label))
    splits.save(tmp_path, photos, split=split)
    splits.save(tmp_path, photos, split=split)
    for column, loaded in zip(split, splits.load(tmp_path, photos), strict=True):
        np.testing.assert_array_equal(column, loaded)
    different = splits.make(photos, folds=5, seed=8, groups=bursts(photos.label))
    with pytest.raises(InputError, match="another split"):
        splits.save(tmp_path, photos, split=different)
    assert splits.load(tmp_path, photos).hash == split.hash


def test_files_that_cannot_be_trusted(tmp_path):
    photos = as_photos([0, 0, 1, 1, -1])
    with pytest.raises(InputError, match=r"splits.json is not there: run the stage"):
        splits.load(tmp_path, photos)
    splits.save(tmp_path, photos, split=splits.make(photos, folds=2, seed=0, groups=np.arange(5)))
    other = photos._replace(name=np.array([*photos.name[:4], "x.jpg"]))
    with pytest.raises(InputError, match=r"split file of other photos: 2 are not in both, such as w_4\.jpg, x\.jpg"):
        splits.load(tmp_path, other)
    with pytest.raises(InputError, match="split file of other photos"):
        splits.load(tmp_path, photos._replace(digest="e"))
    file = tmp_path / "splits.json"
    facts = json.loads(file.read_text())
    facts["fold"][0] = 1 - facts["fold"][0]
    file.write_text(json.dumps(facts))
    with pytest.raises(InputError, match="changed"):
        splits.load(tmp_path, photos)
    for text in ("{", "[]", "{}", "[" * 100_000, '{"hash": 1, "name": [], "fold": "x"}'):
        file.write_text(text)
        with pytest.raises(InputError, match=r"splits.json cannot be read"):
            splits.load(tmp_path, photos)


def test_unknown_whales_are_in_no_training_and_in_no_fold():
    label = long_tail()
    split = splits.make(as_photos(label), folds=5, seed=0, groups=bursts(label), unknown_fraction=0.25)
    unknown = splits.unknown_rows(split)
    assert len(np.unique(label[unknown])) == 30
    trained = np.flatnonzero((label >= 0) & ~np.isin(label, label[unknown]))
    for fold in range(5):
        train, valid = splits.train_rows(split, fold), splits.valid_rows(split, fold)
        np.testing.assert_array_equal(np.sort(np.concatenate([train, valid])), trained)
    part = splits.subfolds(split, 2, fold=0)
    assert (part[unknown] == -1).all()
    assert not np.isin(unknown, splits.in_one_subfold(split, part)).any()
    again = splits.make(as_photos(label), folds=5, seed=1, groups=bursts(label), unknown_fraction=0.25)
    assert set(splits.unknown_rows(again)) != set(unknown)
    with pytest.raises(InputError, match="from 0 to below 1, not 1"):
        splits.make(as_photos(label), folds=5, seed=0, groups=bursts(label), unknown_fraction=1.0)


def test_no_fold_holds_out_nothing_and_unknown_whales_are_in_none():
    label = np.arange(200, dtype=np.int32) % 20
    split = splits.make(as_photos(label), folds=4, seed=0, groups=np.arange(200), unknown_fraction=0.2)
    assert len(splits.unknown_rows(split)) > 0
    assert not splits.held_out(split, -1).any()
    assert len(splits.valid_rows(split, -1)) == 0
    np.testing.assert_array_equal(splits.train_rows(split, -1), np.flatnonzero(split.fold >= 0))
    for fold in range(4):
        held_out = splits.held_out(split, fold)
        np.testing.assert_array_equal(held_out, split.fold == fold)
        assert not set(splits.unknown_rows(split)) & set(splits.valid_rows(split, fold))
    functions = (splits.held_out, splits.train_rows, splits.valid_rows, splits.measured_rows)
    for read in (*functions, lambda split, fold: splits.subfolds(split, 2, fold=fold)):
        for fold in (-2, 4):
            with pytest.raises(InputError, match=f"config.fold = {fold}: the split has folds 0 to 3"):
                read(split, fold)
    with pytest.raises(InputError, match=r"config.fold = -1 holds no photo out to measure on"):
        splits.measured_rows(split, -1)


@pytest.mark.slow
def test_memory_grows_with_the_photos_and_not_with_groups_times_whales():
    rng = np.random.default_rng(0)
    label = np.concatenate([np.arange(2_000), rng.integers(0, 2_000, 18_000)])
    groups = np.arange(20_000)
    groups[:400] //= 2  # some are of two whales
    photos = as_photos(label)
    tracemalloc.start()
    split = splits.make(photos, folds=5, seed=0, groups=groups)
    alone = splits.in_one_subfold(split, splits.subfolds(split, 2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6  # a number for each group and whale would take 320e6
    held_out = [len(splits.valid_rows(split, fold)) for fold in range(5)]
    assert max(held_out) - min(held_out) <= 5
    assert split.single.sum() == (np.bincount(label) == 1)[label].sum()
    assert np.isin(np.flatnonzero(split.single), alone).all()
