"""Whether a whale is known is told from planted answers, by fits on other whales, with the error that was stated."""

import csv

import numpy as np
import pytest

from tests.programs.test_stages import photos
from whale_jax.data import predictions, probabilities, right_whale, splits
from whale_jax.evaluation import open_set
from whale_jax.programs import novelty
from whale_jax.report import figures
from whale_jax.runtime import errors
from whale_jax.workflow import json_files, stage

WHALES, PER_WHALE, UNNAMED = 12, 10, 4
ENROLLED = 8  # whales; the last four are in no fold


class World:
    """120 photos of 12 whales, the last four of which are unknown, and four photos without a name."""

    def __init__(self, folder, monkeypatch):
        count = WHALES * PER_WHALE
        names = tuple(f"w{i:02d}" for i in range(WHALES))
        data = photos(count + UNNAMED, whales=names, test=UNNAMED)
        self.data = data._replace(name=np.array([f"{i:03d}.jpg" for i in range(count + UNNAMED)]))
        self.folder, self.rng = folder, np.random.default_rng(0)
        fold = np.where((data.label >= 0) & (data.label < ENROLLED), np.arange(count + UNNAMED) // WHALES % 2, -1)
        group = np.where(fold >= 0, np.arange(len(fold)), -1)
        self.split = splits.Split(fold, data.label, np.zeros(len(fold), bool), group, "h", 2, 0)
        for name in ("photos", "split"):
            self.finish(name)
        monkeypatch.setattr(right_whale, "load", lambda folder: self.data)
        monkeypatch.setattr(splits, "load", lambda folder, photos: self.split)

    def finish(self, name):
        (self.folder / name).mkdir()
        json_files.write(self.folder / name / "result.json", {"digest": name, "split": "h"})

    def member(self, name, **arrays):
        self.finish(name)
        predictions.save(self.folder / name, self.data, arrays=arrays)

    def features(self):
        """A direction a known whale, and unknown ones in directions that no known one has."""
        vectors = np.eye(WHALES + 1)[self.data.label] + self.rng.normal(0, 0.02, (len(self.data.label), WHALES + 1))
        unknown = (self.data.label >= ENROLLED) | (self.data.label < 0)
        vectors[unknown, :ENROLLED] += self.rng.uniform(0, 0.2, (unknown.sum(), ENROLLED))
        return vectors

    def run(self, *members, **changes):
        inputs = {name: str(self.folder / name) for name in ("photos", "split", *members)}
        config = stage.config("novelty", inputs=inputs, draws=20, **changes)
        self.result = stage.run(config, self.folder / "novelty")
        return self.result

    def rows(self):
        rows = csv.DictReader((self.folder / "novelty" / "novelty.csv").open())
        return {row["Image"]: row for row in rows}


@pytest.fixture
def drawing_world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


@pytest.fixture
def world(drawing_world, monkeypatch):
    """A world without pictures."""
    monkeypatch.setattr(figures, "save", lambda path, *arguments, **keys: None)
    return drawing_world


def test_whales_that_are_far_from_all_others_are_new(drawing_world):
    world = drawing_world
    world.member("network", features=world.features())
    world.data = world.data._replace(encounter=np.array(world.data.name, dtype="U9"))
    world.data.encounter[:] = [f"day {i // (2 * WHALES)}" for i in range(len(world.data.name))]
    result = world.run("network", error=0.1)
    assert (result["of_known"], result["of_unknown"], result["unlabelled"]) == (40, 40, 4)
    for level in ("photos", "encounters"):
        for name in ("network: nearest", "network: gap", "network: nearest by cohort", "all: regression"):
            measured = result["scores"][level][name]
            assert (measured["auroc"], measured["auroc_interval"]) == (1, [1, 1]), (level, name)
            assert measured["false_new"] == 0
    assert result["scores"]["photos"]["network: nearest"]["top1"] == 1
    assert result["metrics"]["unknown_called_new"] == 1
    assert result["metrics"]["called_new"] < 0.25
    rows = world.rows()
    assert len(rows) == 84
    new = {name for name, row in rows.items() if float(row["p_new"]) > 0.5}
    assert new == {name for name, row in rows.items() if row["known"] != "yes"}  # with those without a name
    assert (world.folder / "novelty" / "novelty.png").exists()


@pytest.mark.slow
def test_noise_tells_nothing(world):
    world.member("network", logits=world.rng.normal(size=(len(world.data.name), WHALES)))
    result = world.run("network", score="network: energy")
    for measured in result["scores"]["photos"].values():
        low, high = measured["auroc_interval"]
        assert low - 0.1 < 0.5 < high + 0.1
        assert abs(measured["auroc"] - 0.5) < 0.2
    assert result["metrics"]["called_new"] < 0.2


def test_a_threshold_needs_no_unknown_whale(world):
    label = np.where(world.data.label < ENROLLED, world.data.label, -1)
    world.data, world.split = world.data._replace(label=label), world.split._replace(label=label)
    world.member("network", features=world.features())
    result = world.run("network", error=0.2)
    assert (result["of_unknown"], result["unlabelled"], result["scores"]) == (0, 44, {})
    assert result["score"] == "all: mean rank"
    assert result["p_new"] == "1 - conformal p-value"
    assert result["metrics"].keys() == {"called_new"}
    assert 0 < result["metrics"]["called_new"] < 0.4
    assert not result["caveats"]
    rows = world.rows().values()
    assert all((row["is_new"] == "1") == (float(row["p_new"]) >= 0.8 - 1e-4) for row in rows)


@pytest.mark.parametrize(
    ("count", "caveat"),
    [
        (24, ""),  # 19 others of each photo, and its threshold is the lowest of them
        (23, "18 photos of other known whales are too few for {}: some photos are never called new"),
        (18, "18 photos of known whales are too few for {}: nothing is called new"),
    ],
)
def test_photos_that_are_never_called_new_are_no_measure_of_the_error(count, caveat):
    lines = [caveat.format("an error of at most 5%")] if caveat else []
    assert novelty.caveats(np.arange(count) % 5, error=0.05) == lines


def test_too_few_photos_for_a_small_error_are_no_threshold(world):
    world.member("network", logits=world.rng.normal(size=(len(world.data.name), WHALES)))
    result = world.run("network", score="network: energy", error=0.01)
    assert (result["threshold"], result["metrics"]["called_new"]) == (None, 0)
    assert result["caveats"] == [
        "40 photos of known whales are too few for an error of at most 1%: nothing is called new"
    ]


@pytest.mark.slow
def test_a_photo_has_no_part_in_its_own_verdict(world):
    """The threshold for photos of some whales is that of known photos of the other whales."""
    world.member("network", logits=world.rng.normal(size=(len(world.data.name), WHALES)))
    world.run("network", score="network: probability", error=0.1, num_subfolds=4)
    rows = world.rows()
    label = dict(zip(world.data.name.tolist(), world.data.label.tolist(), strict=True))
    score = {name: float(row["score"]) for name, row in rows.items()}
    for name, row in rows.items():
        place = -1 if row["known"] == "" else label[name] % 4  # known and unknown whales are dealt in turn
        fitted = [score[other] for other in rows if rows[other]["known"] == "yes" and label[other] % 4 != place]
        assert (row["is_new"] == "1") == (score[name] < open_set.threshold(np.array(fitted), error=0.1) - 1e-9)


@pytest.mark.slow
def test_members_are_taken_together(world):
    """Outputs of whales that were in no training have no say."""
    logits = 5 * np.eye(WHALES)[world.data.label] * (world.data.label < ENROLLED)[:, None]
    logits += world.rng.normal(size=logits.shape)
    world.member("network", logits=logits + 50 * (np.arange(WHALES) >= ENROLLED))
    world.finish("stack")
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    probabilities.save(world.folder / "stack", world.data, arrays={"stack": p, "even": np.full_like(p, 1 / WHALES)})
    scores = world.run("network", "stack", sources={"stack": "even"})["scores"]["photos"]
    assert scores["network: probability"]["auroc"] > 0.9
    assert scores["stack: probability"]["auroc"] == 0.5
    assert {"agreement of members", "together: probability"} <= scores.keys()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": "network: enrgy"}, "unknown score 'network: enrgy': did you mean network: energy"),
        ({"sources": {"netwrk": "stack"}}, "unknown member 'netwrk': did you mean network"),
        ({"transforms": {"network": "whitn"}}, "unknown transform 'whitn': did you mean whiten"),
        ({"error": 0.0}, "config.error = 0 must be"),
    ],
)
def test_what_is_wrong_is_said(world, changes, message):
    world.member("network", logits=world.rng.normal(size=(len(world.data.name), WHALES)))
    with pytest.raises(errors.InputError, match=message):
        world.run("network", **changes)


def test_answers_that_leave_unknown_whales_out_are_refused(world):
    logits = world.rng.normal(size=(len(world.data.name), WHALES))
    logits[world.data.label >= ENROLLED] = np.nan
    world.member("network", logits=logits)
    with pytest.raises(errors.InputError, match="of 0 unknown whales there is a photo that all of network have"):
        world.run("network")
    with pytest.raises(errors.InputError, match="nothing to judge by"):
        world.run()
    assert not (world.folder / "novelty" / "novelty.csv").exists()
