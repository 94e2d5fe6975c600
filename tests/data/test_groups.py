import csv
import io

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image
from scipy import ndimage

from configs import crops
from tests.data.test_splits import as_photos, long_tail
from whale_jax import geometry
from whale_jax.data import groups, images, render, right_whale, splits
from whale_jax.programs import split as program
from whale_jax.runtime.errors import InputError


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
    head, stranger = drawn_head(0), drawn_head(1)
    moved = ndimage.shift(head, (1, -1, 0), mode="nearest") * 0.95  # seconds later
    elsewhere = drawn_head(0, water=(110, 120, 100))  # the same whale on another day
    together = groups.near_duplicates(as_heads([head, moved, elsewhere, stranger, head]), np.array([0, 0, 0, 0, 1]))
    assert together[0] == together[1]
    assert len(set(together)) == 4


def test_a_photo_without_a_name_is_of_the_burst_that_it_looks_like():
    waters = {seed: (40 + 20 * seed, 70, 200 - 20 * seed) for seed in range(8)}
    heads = as_heads([drawn_head(seed, waters[seed]) for seed in (0, 1, 2, 3, 0, 7, 7, 2)])
    label, pictured = np.array([0, 1, 2, 3, -1, -1, -1, -1]), np.arange(8) != 7
    together = groups.near_duplicates(heads, label, pictured=pictured)
    assert together[0] == together[4]
    assert together[5] == together[6]
    assert len(set(together)) == 6  # what is not pictured is of no group but its own


def test_pictures_that_look_like_any_of_others_are_told():
    pictures, references = (
        as_heads([drawn_head(seed, (40 + 30 * seed, 70, 90)) for seed in seeds]) for seeds in (range(4), (5, 2))
    )
    assert groups.look_like_any(pictures, references).tolist() == [False, False, True, False]
    larger = pictures.repeat(2, 1).repeat(3, 2)  # of any size
    assert groups.look_like_any(larger, references).tolist() == [False, False, True, False]
    assert not groups.look_like_any(pictures, references[:0]).any()
    assert groups.look_like_any(pictures[:0], references).shape == (0,)


@pytest.mark.parametrize("block", [2, 3, 100])
def test_heads_compared_in_blocks_are_compared_with_all(block, monkeypatch):
    monkeypatch.setattr(groups, "BLOCK", block)
    heads = as_heads([drawn_head(seed) for seed in (0, 1, 2, 1, 0, 3, 0)])
    pairs = np.concatenate(list(groups.pairs_alike(heads, np.array([4, 5, 6]), candidates=np.arange(7))), axis=1)
    assert {tuple(pair) for pair in pairs.T} == {(4, 0), (4, 4), (4, 6), (5, 5), (6, 0), (6, 4), (6, 6)}


def test_the_more_photos_the_more_alike_must_those_without_a_name_be():
    least = [groups.nameless_burst(count) for count in (1, 100, 3882, 6 * 3882, 100_000)]
    assert least == sorted(least)
    assert least[0] == groups.BURST
    assert least[3] - least[2] == pytest.approx(0.05)


def test_a_mark_that_is_a_pixel_off_costs_little():
    head = drawn_head(0)
    moved = [ndimage.shift(head, (dy, dx, 0), order=0, mode="nearest") for dy, dx in ((1, -1), (-1, 0), (3, 3))]
    alike = groups.likeness(as_heads([head, *moved], noise=0))[0]
    assert min(alike[1:3]) > 0.9
    assert alike[3] < groups.BURST


def test_groups_go_by_way_of_others():
    label = np.zeros(3, int)
    steps = [ndimage.shift(drawn_head(0), (0, dx, 0), mode="nearest") for dx in (-2, 0, 2)]
    ends = groups.likeness(as_heads(steps))
    assert ends[0, 2] < groups.BURST < min(ends[0, 1], ends[1, 2])
    assert len(set(groups.near_duplicates(as_heads(steps), label))) == 1


def test_encounters_of_several_whales_stay_together():
    rng = np.random.default_rng(0)
    label = long_tail(seed=3, whales=40, unlabelled=5)
    encounter = np.where(rng.random(len(label)) < 0.7, rng.integers(0, 90, len(label)).astype(str), "")
    photos = as_photos(label, encounter=encounter)
    together = groups.by_encounter(photos)
    for i in range(len(label)):
        same = (encounter == encounter[i]) if encounter[i] else np.arange(len(label)) == i
        np.testing.assert_array_equal(together == together[i], same)
    split = splits.make(photos, folds=3, seed=0, groups=together)
    for group in np.unique(together[label >= 0]):
        assert len(set(split.fold[(together == group) & (label >= 0)])) == 1
    for fold in range(3):
        train, valid = splits.train_rows(split, fold), splits.valid_rows(split, fold)
        assert set(label[valid]) <= set(label[train])


def test_an_encounter_of_which_a_photo_shows_two_whales_is_of_several():
    names = ["a.jpg", "a.jpg#2", "b.jpg", "c.jpg", "d.jpg", "d.jpg#2"]
    encounter = np.array(["x", "x", "x", "y", "y", ""])
    photos = as_photos(np.full(6, -1), encounter=encounter)._replace(name=np.array(names))
    assert groups.by_encounter(photos).tolist() == [0, 0, 0, 1, 1, 2]
    assert groups.of_one_whale(photos).tolist() == [0, 1, 2, 3, 3, 4]


def test_crops_keep_encounters_that_a_table_names_and_deal_out_the_others(tmp_path, monkeypatch):
    messages = []
    monkeypatch.setattr(program.logging, "warning", lambda text, *values: messages.append(text % values))
    label = np.arange(24, dtype=np.int32) % 3
    encounter = np.where(np.arange(24) < 12, (np.arange(24) // 3).astype(str), "")
    photos = as_photos(label, encounter=encounter)
    ways = {program.LISTED: program.listed, "none": program.none}
    together = {name: way(photos, tmp_path) for name, way in ways.items()}
    assert len(set(together["given"])) == 4 + 12
    assert len(set(together["none"])) == 24
    [message] = messages
    assert message.startswith("the table names 4 encounters, and group is 'none'")
    program.none(as_photos(label), tmp_path)
    np.testing.assert_array_equal(program.listed(as_photos(label), tmp_path), program.none(as_photos(label), tmp_path))
    assert len(messages) == 1
    assert crops.get_config("cpu").stages.split.group == "given"


def test_joined_groups_are_those_of_either():
    joined = groups.join(np.array([0, 0, 1, 2, 3, 4]), np.array([5, 6, 6, 7, 8, 7]))
    assert joined[0] == joined[1] == joined[2]
    assert joined[3] == joined[5]
    assert len(set(joined)) == 3


def test_heads_are_found_by_points_then_box_then_the_whole_photo():
    points = np.full((3, 2, 2), np.nan)
    points[0] = (300, 200), (100, 200)
    box = np.full((3, 4), np.nan)
    box[:2] = (40, 60, 200, 50)
    matrices = groups.head_matrices(as_photos([0, 0, 0], points=points, box=box, size=(400, 600)))
    height, width = groups.HEAD_SIZE
    # The competition's crops, which are 224 pixels wide, have the points at x = 178.8 and 67.0, halfway down.
    bonnet, blowhead = np.asarray(geometry.move_points(matrices[0], np.asarray(points[0], np.float32)))
    np.testing.assert_allclose((bonnet + 0.5) / (width, height), (178.8 / 224, 0.5), atol=2e-3)
    np.testing.assert_allclose((blowhead + 0.5) / (width, height), (67 / 224, 0.5), atol=2e-3)
    np.testing.assert_allclose(
        geometry.move_box(matrices[1], box[1].astype(np.float32)), (-0.5, -0.5, width, height), atol=1e-3
    )
    np.testing.assert_allclose(matrices[2], geometry.resize((400, 600), groups.HEAD_SIZE), atol=1e-6)


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
    matrices = groups.head_matrices(shared_sea)
    heads = images.save(tmp_path / "heads", shared_sea, matrices=matrices, size=groups.HEAD_SIZE).images
    together = groups.near_duplicates(heads, shared_sea.label)
    assert together[0] == together[1]
    assert len(set(together)) == 3
    whole = np.asarray(geometry.resize(shared_sea.size.T, groups.HEAD_SIZE))
    photos = images.save(tmp_path / "whole", shared_sea, matrices=whole, size=groups.HEAD_SIZE).images
    assert len(set(groups.near_duplicates(photos, shared_sea.label))) < 3  # whole photos would


def test_the_program_writes_the_split_once(tmp_path, monkeypatch, shared_sea):
    monkeypatch.setattr(right_whale, "load", lambda folder: shared_sea)
    config = ConfigDict({**program.PROGRAM.defaults, "folds": 3})
    result = program.run(config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["splits.json"]
    assert result["groups"] == 3
    assert result["photos_in_larger_groups"] == result["largest_group"] == 2
    assert sum(result["held_out"]) == 4
    assert result["split"] == splits.load(tmp_path, shared_sea).hash == program.run(config, tmp_path)["split"]
    config.group = "given"
    with pytest.raises(InputError, match="is another split"):
        program.run(config, tmp_path)
    config.group = "encounter"
    with pytest.raises(InputError, match="no photo has one"):
        program.run(config, tmp_path)
    config.group = "heads"
    with pytest.raises(InputError, match="did you mean head"):
        program.run(config, tmp_path)


def test_real_bursts_are_found(whales):
    bursts = [("w_6329.jpg", "w_8949.jpg"), ("w_7099.jpg", "w_7973.jpg"), ("w_7253.jpg", "w_8500.jpg")]
    with open(whales / "crops" / "train.csv", encoding="utf-8", newline="") as file:
        whale = {row["Image"]: row["whaleID"] for row in csv.DictReader(file)}
    chosen = {whale[name] for burst in bursts for name in burst}
    names = [name for name in whale if whale[name] in chosen]
    label = np.unique([whale[name] for name in names], return_inverse=True)[1]
    size = groups.HEAD_SIZE
    heads = np.stack(
        [render.decode((whales / "crops/train" / n).read_bytes(), (size[1] / 224, size[0] / 224)) for n in names]
    )
    group = dict(zip(names, groups.near_duplicates(heads, label), strict=True))
    assert all(group[first] == group[second] for first, second in bursts)
    strangers = groups.likeness(heads)[label[:, None] != label]
    assert (strangers > groups.BURST).mean() < 0.01
    assert len(set(group.values())) > 0.6 * len(names)


def test_photos_of_one_file_are_of_one_group():
    """Two names of a file, or two whales on it, would leak a picture from one side of a split to the other."""
    photos = as_photos([0, 1, 1, 2])
    group = np.array([5, 3, 3, 7])
    assert groups.with_copies(group, photos) is group
    assert groups.with_copies(group, photos._replace(file=np.arange(4))) is group
    joined = groups.with_copies(group, photos._replace(file=np.array([0, 1, 2, 0])))
    assert (joined[0] == joined[3], joined[1] == joined[2], joined[0] == joined[1]) == (True, True, False)
