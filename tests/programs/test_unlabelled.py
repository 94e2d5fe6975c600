"""Photos without a label: learned from by themselves, or by labels that were guessed."""

import csv

import jax
import numpy as np
import pytest

from tests.experiment.world import World
from whale_jax.data import predictions
from whale_jax.experiment import labels
from whale_jax.runtime import errors
from whale_jax.workflow import json_files, stage

SURE, UNSURE = [0.95, 0.03, 0.02], [0.5, 0.3, 0.2]
P = np.array([SURE, UNSURE, UNSURE, SURE, SURE[::-1], UNSURE])  # the last two photos have no name


@pytest.fixture
def world(tmp_path, monkeypatch):
    built = World(tmp_path, monkeypatch)
    built.finish("stack", {"program": "stack", "digest": "s", "split": "h", "fold": 0})
    json_files.write(tmp_path / "stack" / "config.json", {"program": "stack"})
    np.savez(tmp_path / "stack" / "probabilities.npz", stack=P)
    return built


def guess(world, name="guesses", **changes):
    inputs = {key: str(world.folder / key) for key in ("photos", "split")}
    config = stage.config("pseudo", inputs={**inputs, "probabilities": str(world.folder / "stack")}, **changes)
    return stage.run(config, world.folder / name)


def test_labels_are_guessed_where_they_are_likely_and_say_where_they_come_from(world):
    result = guess(world)
    assert (result["labels"], result["without_label"], result["whales"]) == (1, 2, 1)
    assert (result["held_out_labels"], result["held_out_right"]) == (1, 1.0)
    with (world.folder / "guesses" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    row = {"Image": world.photos.name[4], "whaleID": world.photos.whales[2], "probability": "0.9500"}
    assert rows == [{**row, "from": "stack/stack s"}]
    target = predictions.load(world.folder / "guesses", world.photos, kind="target")
    assert np.isfinite(target).all(1).tolist() == [False] * 4 + [True, False]
    assert target[4].tolist() == [0, 0, 1]
    guess(world, "soft", soft=True, threshold=0.5)
    np.testing.assert_allclose(
        predictions.load(world.folder / "soft", world.photos, kind="target")[4:], P[4:], rtol=1e-6
    )


def test_the_surest_share_is_guessed_whatever_its_probability(world):
    result = guess(world, threshold=0.0, share=0.5)
    assert (result["labels"], result["least_probability"]) == (1, 0.95)
    assert result["held_out_labels"] == 1  # of the two held out, the one that is as sure
    assert guess(world, "all", threshold=0.0)["labels"] == 2


@pytest.mark.slow
def test_a_training_learns_guessed_labels_and_is_validated_on_the_same_photos(world):
    guess(world)
    world.train("without")
    world.train("with", labels="guesses")
    plain, guessed = (json_files.read(world.folder / name / "result.json") for name in ("without", "with"))
    assert (guessed["trained_on"], guessed["guessed"]) == (plain["trained_on"] + 1, 1)
    assert guessed["validated_on"] == plain["validated_on"]
    assert guessed["rows"] == plain["rows"]  # what was withheld is the same


@pytest.mark.parametrize(("soft", "threshold", "learned"), [(False, 0.9, [4]), (True, 0.5, [4, 5])])
def test_guesses_stand_beside_the_labels_that_are_known(world, soft, threshold, learned):
    guess(world, soft=soft, threshold=threshold)
    learning = {"folder": str(world.folder / "guesses"), "fold": 0, "soft": True}
    photos, rows, target = labels.with_guesses(world.data(), np.array([1, 3]), **learning)
    assert rows.tolist() == [1, 3, *learned]
    assert photos.label[:4].tolist() == world.photos.label[:4].tolist()
    assert photos.label[learned].tolist() == P[learned].argmax(1).tolist()
    np.testing.assert_array_equal(target[:4], np.eye(3)[world.photos.label[:4]])
    np.testing.assert_allclose(target[learned], P[learned] if soft else np.eye(3)[P[learned].argmax(1)], rtol=1e-6)


def test_no_guess_is_learned_of_a_sighting_that_is_validated_on(world):
    guess(world)
    row = int(np.flatnonzero(world.split.fold == 0)[0])
    world.photos.encounter[[row, 4]] = "morning"
    with pytest.raises(errors.InputError, match="guesses the label of no photo"):
        world.train("with", labels="guesses")


def test_soft_guesses_are_for_classifiers(world):
    guess(world, soft=True)
    with pytest.raises(errors.InputError, match="is soft, which the task cannot learn"):
        world.train("with", labels="guesses", task={"name": "embed"}, batch=3, images_per_class=2)


def test_a_cross_fit_has_no_use_for_what_every_network_has_seen(world):
    guess(world)
    for changes in ({"labels": "guesses"}, {"task": {"name": "simclr"}}):
        with pytest.raises(errors.InputError, match="leaves nothing that no network has seen"):
            world.train("crossed", program="crossfit", num_subfolds=2, **changes)


def test_labels_guessed_by_what_held_out_another_fold_are_refused(world):
    guess(world)
    with pytest.raises(errors.InputError, match="hold out folds 0 and 1"):
        world.train("other", labels="guesses", fold=1)


def test_guesses_are_of_whales(world):
    guess(world)
    with pytest.raises(errors.InputError, match="names whales, and the task 'keypoints' learns none"):
        world.train("points", labels="guesses", task={"name": "keypoints"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"source": "blend"}, "unknown source"), ({"threshold": 2.0}, "threshold = 2"), ({"share": -1.0}, "share = -1")],
)
def test_guesses_that_cannot_be_made_are_refused(world, changes, message):
    with pytest.raises(errors.InputError, match=message):
        guess(world, **changes)


@pytest.mark.slow
def test_simclr_learns_from_every_photo_and_others_go_on_from_it(world):
    task = {"name": "simclr", "dimensions": 3}
    world.train("alike", task=task, num_train_eval=4)
    result = json_files.read(world.folder / "alike" / "result.json")
    assert (result["trained_on"], result["validated_on"], result["fold"]) == (6, 0, None)
    still = {"optimizer": {"name": "nesterov", "lr": 0.0}, "seed": 7}
    world.train("named", weights="alike", init="partial", **still)  # it has seen photos held out, but no name of theirs
    learned, continued = (world.parameters(name)["Stem_0"] for name in ("alike", "named"))
    assert jax.tree.all(jax.tree.map(np.array_equal, learned, continued))
    for changes in ({"batch": 1}, {"images_per_class": 2}, {"weights": "named"}):
        with pytest.raises(errors.InputError, match="the task 'simclr' needs batches of 2"):
            world.train("alone", task=task, **changes)


def test_guesses_come_from_probabilities_that_do_not_know_the_photos_held_out(world):
    world.finish("stack", {"program": "extract", "digest": "s", "split": "h", "fold": 0})
    with pytest.raises(errors.InputError, match="was made by 'extract'"):
        guess(world)


def test_guesses_do_not_rest_on_a_search_however_it_was_calibrated(world):
    """It compares photos without a name with those held out."""
    world.finish("fused", {"program": "fuse", "digest": "f", "split": "h", "fold": 0})
    config = {"program": "calibrate", "inputs": {"probabilities": str(world.folder / "fused")}}
    json_files.write(world.folder / "stack" / "config.json", config)
    result = {"program": "calibrate", "digest": "s", "split": "h", "fold": 0, "inputs": {"probabilities": "f"}}
    json_files.write(world.folder / "stack" / "result.json", result)
    with pytest.raises(
        errors.InputError, match=r"rests on .*fused, a 'fuse', which knows the names of the photos held"
    ):
        guess(world)
