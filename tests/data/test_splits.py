import csv
import io
import json

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image
from scipy import ndimage
from sklearn.model_selection import StratifiedGroupKFold

from whale_jax import geometry
from whale_jax.data import images, right_whale, splits
from whale_jax.errors import InputError
from whale_jax.programs import split as program


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


def test_encounters_of_several_whales_stay_together():
    rng = np.random.default_rng(0)
    label = long_tail(seed=3, whales=40, unlabelled=5)
    encounter = np.where(rng.random(len(label)) < 0.7, rng.integers(0, 90, len(label)).astype(str), "")
    photos = as_photos(label, encounter=encounter)
    groups = splits.by_encounter(photos)
    for i in range(len(label)):
        same = (encounter == encounter[i]) if encounter[i] else np.arange(len(label)) == i
        np.testing.assert_array_equal(groups == groups[i], same)
    split = splits.make(photos, folds=3, seed=0, groups=groups)
    for group in np.unique(groups[label >= 0]):
        assert len(set(split.fold[(groups == group) & (label >= 0)])) == 1
    for fold in range(3):
        train, valid = splits.train_rows(split, fold), splits.valid_rows(split, fold)
        assert set(label[valid]) <= set(label[train])


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


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_parts_predict_every_labelled_photo_once_by_what_saw_nothing_like_it(parts):
    label = long_tail()
    groups = bursts(label)
    split = splits.make(as_photos(label), folds=5, seed=0, groups=groups)
    inside = [splits.inside_rows(split, part, parts) for part in range(parts)]
    np.testing.assert_array_equal(np.sort(np.concatenate(inside)), np.flatnonzero(label >= 0))
    for part in range(parts):
        outside = splits.outside_rows(split, part, parts)
        assert not set(groups[inside[part]]) & set(groups[outside])
        assert len(outside) + len(inside[part]) == (label >= 0).sum()


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
    splits.save(tmp_path, photos, split)
    splits.save(tmp_path, photos, split)
    for ours, theirs in zip(split, splits.load(tmp_path, photos), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    another = splits.make(photos, folds=5, seed=8, groups=bursts(photos.label))
    with pytest.raises(InputError, match="another split"):
        splits.save(tmp_path, photos, another)
    assert splits.load(tmp_path, photos).hash == split.hash


def test_files_that_cannot_be_trusted(tmp_path):
    photos = as_photos([0, 0, 1, 1, -1])
    with pytest.raises(InputError, match="no split file"):
        splits.load(tmp_path, photos)
    splits.save(tmp_path, photos, splits.make(photos, folds=2, seed=0, groups=np.arange(5)))
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
    for text in ("{", "[]", "{}", '{"hash": 1, "name": [], "fold": "x"}'):
        file.write_text(text)
        with pytest.raises(InputError, match="no split file"):
            splits.load(tmp_path, photos)


def clouds(seed, height, width, sigma):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), sigma)
    return noise / noise.std()


def drawn_head(seed, water=(40, 70, 90)):
    """(32, 64, 3) an individual's pattern in the middle of its water."""
    fade = np.clip(np.minimum.outer(16 - abs(np.arange(32) - 15.5), 32 - abs(np.arange(64) - 31.5)) / 8 - 0.5, 0, 1)
    return np.array(water) + (50 * fade * clouds(seed, 32, 64, sigma=1.5))[..., None]


def as_heads(heads, noise=6):
    rng = np.random.default_rng(0)
    return np.stack([np.clip(head + rng.normal(0, noise, head.shape), 0, 255) for head in heads]).astype(np.uint8)


def test_a_burst_is_one_group_and_nothing_else_is():
    one, other = drawn_head(0), drawn_head(1)
    moved = ndimage.shift(one, (1, -1, 0), mode="nearest") * 0.95  # seconds later
    elsewhere = drawn_head(0, water=(110, 120, 100))  # the same whale on another day
    groups = splits.near_duplicates(as_heads([one, moved, elsewhere, other, one, one]), np.array([0, 0, 0, 0, 1, -1]))
    assert groups[0] == groups[1]
    assert len(set(groups)) == 5


def test_a_mark_that_is_a_pixel_off_costs_little():
    one = drawn_head(0)
    moved = [ndimage.shift(one, (dy, dx, 0), order=0, mode="nearest") for dy, dx in ((1, -1), (-1, 0), (3, 3))]
    alike = splits.likeness(as_heads([one, *moved], noise=0))[0]
    assert min(alike[1:3]) > 0.9
    assert alike[3] < splits.BURST


def test_groups_go_by_way_of_others():
    label = np.zeros(3, int)
    steps = [ndimage.shift(drawn_head(0), (0, dx, 0), mode="nearest") for dx in (-2, 0, 2)]
    ends = splits.likeness(as_heads(steps))
    assert ends[0, 2] < splits.BURST < min(ends[0, 1], ends[1, 2])
    assert len(set(splits.near_duplicates(as_heads(steps), label))) == 1


def test_joined_groups_are_those_of_either():
    joined = splits.join(np.array([0, 0, 1, 2, 3, 4]), np.array([5, 6, 6, 7, 8, 7]))
    assert joined[0] == joined[1] == joined[2]
    assert joined[3] == joined[5]
    assert len(set(joined)) == 3


def test_heads_are_found_by_points_then_box_then_the_whole_photo():
    points = np.full((3, 2, 2), np.nan)
    points[0] = (300, 200), (100, 200)
    box = np.full((3, 4), np.nan)
    box[:2] = (40, 60, 200, 50)
    matrices = splits.head_matrices(as_photos([0, 0, 0], points=points, box=box, size=(400, 600)))
    height, width = splits.HEAD_SIZE
    # The competition's crops, which are 224 pixels wide, have the points at x = 178.8 and 67.0, halfway down.
    bonnet, blowhead = np.asarray(geometry.move_points(matrices[0], np.asarray(points[0], np.float32)))
    np.testing.assert_allclose((bonnet + 0.5) / (width, height), (178.8 / 224, 0.5), atol=2e-3)
    np.testing.assert_allclose((blowhead + 0.5) / (width, height), (67 / 224, 0.5), atol=2e-3)
    np.testing.assert_allclose(
        geometry.move_box(matrices[1], box[1].astype(np.float32)), (0, 0, width, height), atol=1e-3
    )
    np.testing.assert_allclose(matrices[2], geometry.resize((400, 600), splits.HEAD_SIZE), atol=1e-6)


def sea_with_head(sea, seed, spot):
    photo = sea.copy()
    y, x = spot
    photo[y : y + 32, x : x + 64] = drawn_head(seed, water=sea.mean((0, 1)))
    file = io.BytesIO()
    Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue(), ((x + 50.6, y + 15.5), (x + 18.6, y + 15.5))


@pytest.fixture
def shared_sea():
    """Four photos of one whale on one sea: two of a burst, and two that share nothing but the sea."""
    sea = np.array((40, 70, 90)) + 12 * clouds(9, 200, 300, sigma=3)[..., None]
    drawn = [
        sea_with_head(sea, seed, spot) for seed, spot in ((0, (20, 30)), (0, (130, 200)), (1, (20, 30)), (2, (90, 100)))
    ]
    files, points = zip(*drawn, strict=True)
    return as_photos([0, 0, 0, 0], points=points, size=(200, 300), files=files)


def test_a_shared_sea_does_not_join_strangers(tmp_path, shared_sea):
    heads = images.save(tmp_path / "heads", shared_sea, splits.head_matrices(shared_sea), splits.HEAD_SIZE).images
    groups = splits.near_duplicates(heads, shared_sea.label)
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3
    whole = np.asarray(geometry.resize(shared_sea.size.T, splits.HEAD_SIZE))
    photos = images.save(tmp_path / "whole", shared_sea, whole, splits.HEAD_SIZE).images
    assert len(set(splits.near_duplicates(photos, shared_sea.label))) < 3  # whole photos would


def test_the_program_writes_the_split_once(tmp_path, monkeypatch, shared_sea):
    monkeypatch.setattr(right_whale, "load", lambda folder: shared_sea)
    config = ConfigDict({**program.DEFAULTS, "folds": 3})
    found = program.run(config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["splits.json"]
    assert found["groups"] == 3
    assert found["photos_in_groups_of_two_or_more"] == found["largest_group"] == 2
    assert sum(found["held_out"]) == 4
    assert found["split"] == splits.load(tmp_path, shared_sea).hash == program.run(config, tmp_path)["split"]
    config.group = "encounter"
    with pytest.raises(InputError, match="no photo has one"):
        program.run(config, tmp_path)
    config.group = "heads"
    with pytest.raises(InputError, match="did you mean head"):
        program.run(config, tmp_path)


def test_real_bursts_are_found(whales):
    bursts = [("w_6329.jpg", "w_8949.jpg"), ("w_7099.jpg", "w_7973.jpg"), ("w_7253.jpg", "w_8500.jpg")]
    with open(whales / "crops" / "train.csv", newline="") as file:
        whale = {row["Image"]: row["whaleID"] for row in csv.DictReader(file)}
    chosen = {whale[name] for burst in bursts for name in burst}
    names = [name for name in whale if whale[name] in chosen]
    label = np.unique([whale[name] for name in names], return_inverse=True)[1]
    size = splits.HEAD_SIZE
    heads = np.stack(
        [images.decode((whales / "crops/train" / n).read_bytes(), (size[1] / 224, size[0] / 224)) for n in names]
    )
    group = dict(zip(names, splits.near_duplicates(heads, label), strict=True))
    assert all(group[one] == group[other] for one, other in bursts)
    strangers = splits.likeness(heads)[label[:, None] != label]
    assert (strangers > splits.BURST).mean() < 0.01
    assert len(set(group.values())) > 0.6 * len(names)
