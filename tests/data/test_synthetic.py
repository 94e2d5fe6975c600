"""The drawn pod: what it promises of files, points, whales, seas and bursts."""

import collections
import csv
import functools
import json

import numpy as np
import pytest
from PIL import Image

from whale_jax import geometry
from whale_jax.data import drawing, synthetic
from whale_jax.data.drawing import Shot
from whale_jax.runtime import errors

SMALL = {"seed": 3, "whales": 5, "photos": 24, "test": 6, "width": 96}
FRAME, AHEAD = (64, 128), ((102.0, 31.5), (38.0, 31.5))  # of an aligned head: (height, width); bonnet, blowhead


def files(folder) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def rows(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def aligned(photo, points) -> np.ndarray:
    matrix = geometry.fit_similarity(points, np.array(AHEAD))
    return np.asarray(geometry.warp(np.asarray(photo), matrix, size=FRAME)).mean(-1)


@functools.cache
def template(seed, whale, *, along=0.0, across=0.0) -> np.ndarray:
    """Where the individual's callosities are in an aligned head that is shifted by (along, across) head lengths."""
    y, x = np.mgrid[: FRAME[0], : FRAME[1]]
    u, v = (x - AHEAD[1][0]) / 64 - along, (y - AHEAD[1][1]) / 64 - across
    return drawing.coverage(drawing.generator(seed, "whale", whale), u, v=v, soft=0.02)[0]


def likeness(a, b) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.fixture(scope="module")
def pod(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pods") / "pod"
    synthetic.draw(folder, **SMALL)
    return folder


@pytest.fixture(scope="module")
def heads():
    """Four photos of each of five whales: (whale, aligned head)."""
    shots = [Shot(f"w_{i}.jpg", i % 5, f"w_{i}.jpg") for i in range(20)]
    return [(s.whale, aligned(*drawing.photograph(0, s, width=512))) for s in shots]


def test_same_arguments_give_the_same_bytes_whatever_the_number_of_cores(pod, tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic.threads, "cores", lambda: 1)
    synthetic.draw(tmp_path / "again", **SMALL)
    assert files(tmp_path / "again") == files(pod)
    synthetic.draw(tmp_path / "other", **{**SMALL, "seed": 4})
    photos = [{k: v for k, v in files(f).items() if k.endswith(".jpg")} for f in (pod, tmp_path / "other")]
    assert not set(photos[0].values()) & set(photos[1].values())


def test_layout_is_the_competitions(pod):
    images = {p.name for p in (pod / "imgs").iterdir()}
    train, truth = rows(pod / "train.csv"), rows(pod / "truth.csv")
    names = [r["Image"] for r in train]
    assert images == {f"w_{n}.jpg" for n in range(SMALL["photos"] + SMALL["test"])}
    assert images == {*names, *(r["Image"] for r in truth)}
    assert {Image.open(pod / "imgs" / name).size for name in images} == {(96, 64)}

    submission = rows(pod / "sample_submission.csv")
    whales = list(submission[0])[1:]
    assert [r["Image"] for r in submission] == [r["Image"] for r in truth]
    assert whales == sorted({r["whaleID"] for r in train})
    assert {r["whaleID"] for r in truth} <= set(whales)

    points = [json.loads((pod / f"points{i}.json").read_text()) for i in (1, 2)]
    boxes = rows(pod / "train_with_annotations_vinh.csv")
    assert [r["whaleID"] for r in boxes] == [r["whaleID"] for r in train]
    for name, bonnet, blowhead, box in zip(names, *points, boxes, strict=True):
        assert name == bonnet["filename"] == blowhead["filename"] == box["Image"]
        left, top, width, height = (float(box[k]) for k in ("x", "y", "width", "height"))
        for point in (bonnet["annotations"][0], blowhead["annotations"][0]):
            assert 0 <= left < point["x"] < left + width <= 95
            assert 0 <= top < point["y"] < top + height <= 63
        length = np.hypot(*(bonnet["annotations"][0][k] - blowhead["annotations"][0][k] for k in "xy"))
        assert 0.0699 * 96 <= length <= 0.1101 * 96


def test_callosities_lie_where_the_points_say(heads):
    shifts = [(a, b) for a in (-0.08, 0.0, 0.08) for b in (-0.08, 0.0, 0.08)]
    fit = {s: np.mean([likeness(head, template(0, w, along=s[0], across=s[1])) for w, head in heads]) for s in shifts}
    assert max(fit, key=fit.get) == (0.0, 0.0)
    assert fit[0.0, 0.0] > 0.2


def test_pattern_is_the_individuals(heads):
    fits = np.array([[likeness(head, template(0, w)) for w in range(5)] for _, head in heads])
    fit = fits[np.arange(len(heads)), [w for w, _ in heads]]
    assert np.mean(fit >= fits.max(1)) > 0.6  # by chance 0.2


def test_long_tail_with_singles_and_bursts():
    ids, train, tests = synthetic.roster(0, whales=30, photos=400, test=50)
    counts = collections.Counter(shot.whale for shot in train)
    moments = collections.defaultdict(list)
    for shot in train:
        moments[shot.moment].append(shot)
    bursts = [burst for burst in moments.values() if len(burst) > 1]
    assert len(set(ids)) == len(counts) == 30
    assert counts.total() == 400
    assert list(counts.values()).count(1) == 2
    assert max(counts.values()) > 2 * np.median([*counts.values()])
    assert 3 <= len(bursts) <= 30
    assert all(len({shot.whale for shot in burst}) == 1 for burst in bursts)
    assert not {shot.moment for shot in tests} & set(moments)


def test_photos_of_a_burst_are_near_duplicates(heads):
    shots = (Shot(name, 0, "w_0.jpg") for name in ("w_0.jpg", "w_99.jpg"))
    first, second = (aligned(*drawing.photograph(0, shot, width=512)) for shot in shots)
    unrelated = [likeness(first, head) for whale, head in heads[1:] if whale == 0]
    assert not np.array_equal(first, second)
    assert likeness(first, second) > max(unrelated) + 0.1


def test_sea_does_not_tell_the_whale():
    shots = [Shot(f"w_{i}.jpg", i % 8, f"w_{i}.jpg") for i in range(96)]
    pictures = [drawing.photograph(0, shot, width=96)[0].resize((16, 16)) for shot in shots]
    photos = [np.asarray(picture, np.float32).ravel() for picture in pictures]
    distances = np.linalg.norm(np.stack(photos)[:, None] - np.stack(photos), axis=-1)
    np.fill_diagonal(distances, np.inf)
    whale = np.array([shot.whale for shot in shots])
    pairs = np.triu(np.ones_like(distances), 1) > 0
    same = pairs & (whale[:, None] == whale)
    assert distances[same].mean() == pytest.approx(distances[pairs & ~same].mean(), rel=0.05)
    assert np.mean(whale[distances.argmin(1)] == whale) < 0.25  # the nearest photo: by chance 0.125


def test_pod_is_found_again_and_left_alone(pod):
    before = {p: p.stat().st_mtime_ns for p in pod.rglob("*")}
    counts = synthetic.draw(pod, **SMALL)
    assert counts == {"photos": 24, "test": 6, "whales": 5, "singles": 2, "bursts": counts["bursts"]}
    assert {p: p.stat().st_mtime_ns for p in pod.rglob("*")} == before
    with pytest.raises(errors.InputError, match="holds the pod of"):
        synthetic.draw(pod, **{**SMALL, "seed": 4})


def test_folder_that_is_no_whole_pod_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("precious")
    with pytest.raises(errors.InputError, match="holds no pod"):
        synthetic.draw(tmp_path / "mine", **SMALL)
    (tmp_path / "pod").mkdir()
    synthetic.draw(tmp_path / "pod", **SMALL)  # an empty folder will do
    (tmp_path / "pod/imgs/w_0.jpg").unlink()
    with pytest.raises(errors.InputError, match="not those that were drawn"):
        synthetic.draw(tmp_path / "pod", **SMALL)
    with pytest.raises(errors.InputError, match="2 photos a whale"):
        synthetic.draw(tmp_path / "few", **{**SMALL, "photos": 9})


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    photograph = drawing.photograph

    def fails(seed, shot, *, width):
        if shot.name == "w_7.jpg":
            raise OSError("No space left on device")
        return photograph(seed, shot, width=width)

    monkeypatch.setattr(drawing, "photograph", fails)
    with pytest.raises(OSError, match="No space"):
        synthetic.draw(tmp_path / "pod", **SMALL)
    assert not list(tmp_path.iterdir())
