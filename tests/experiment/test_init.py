"""Trained weights elsewhere: where a training begins, and networks applied to other photos."""

import shutil

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from tests.experiment.world import MODEL, World
from whale_jax.data import predictions, splits
from whale_jax.evaluation import calibration
from whale_jax.experiment import init, prediction, restore
from whale_jax.experiment import rows as row_choice
from whale_jax.programs import crossfit
from whale_jax.runtime import errors
from whale_jax.workflow import json_files, provenance, stage

KEYPOINTS = {"task": {"name": "keypoints"}, "epochs": 1.0}


@pytest.fixture
def world(tmp_path, monkeypatch):
    return World(tmp_path, monkeypatch)


@pytest.mark.slow
def test_a_training_begins_with_the_weights_it_is_given(world):
    world.train("first")
    still = {"optimizer": {"name": "nesterov", "lr": 0.0}, "seed": 7}  # whose parameters stay as they began
    world.train("second", weights="first", **still)
    world.train("alone", **still)
    learned = world.parameters("first")
    assert jax.tree.all(jax.tree.map(np.array_equal, world.parameters("second"), learned))
    assert not jax.tree.all(jax.tree.map(np.array_equal, world.parameters("alone"), learned))


def test_weights_of_another_network_are_refused_line_by_line(world):
    world.train("first")
    with pytest.raises(errors.InputError) as caught:
        world.train("second", weights="first", model={**MODEL, "stages": ((4, 1), (6, 1))})
    lines = str(caught.value).splitlines()
    assert "is of another network (- what it holds, + what this one has)" in lines[0]
    assert "- params/AverageHead_0/Dense_0/kernel (4, 3)" in lines
    assert "+ params/AverageHead_0/Dense_0/kernel (6, 3)" in lines
    assert any(line.startswith("+ params/ConvNorm") for line in lines), lines
    assert not any("bias (3,)" in line for line in lines)  # what is alike


@pytest.mark.slow
def test_weights_that_fit_are_taken_where_that_is_asked_for(world, monkeypatch):
    warnings = []
    monkeypatch.setattr(init.logging, "warning", lambda text, *values: warnings.append(text % values))
    world.train("first")
    still = {"optimizer": {"name": "nesterov", "lr": 0.0}, "seed": 7}
    world.train("second", weights="first", init="partial", model={**MODEL, "stages": ((4, 1), (6, 1))}, **still)
    before, after = world.parameters("first"), world.parameters("second")
    assert jax.tree.all(jax.tree.map(np.array_equal, before["ConvNorm_0"], after["ConvNorm_0"]))
    [lines] = [text.splitlines() for text in warnings if "are taken where they fit" in text]
    assert "- params/AverageHead_0/Dense_0/kernel (4, 3)" in lines
    assert "+ params/AverageHead_0/Dense_0/kernel (6, 3)" in lines
    assert not any("Stem_0" in line for line in lines)


@pytest.mark.slow
def test_a_training_begins_with_a_smaller_network_that_grew(world):
    world.train("first", num_train_eval=2)
    larger = {**MODEL, "stages": ((6, 2),), "grown": (1,)}
    still = {"optimizer": {"name": "nesterov", "lr": 0.0}, "epochs": 0.5, "num_train_eval": 2}
    world.train("second", weights="first", init="grown", model=larger, **still)
    before, after = (json_files.read(world.folder / name / "result.json")["metrics"] for name in ("first", "second"))
    assert after["log_loss"] == pytest.approx(before["log_loss"], abs=0.05)  # copies part a little
    with pytest.raises(errors.InputError, match=r"set model.grown to \(1,\)"):
        world.train("third", weights="first", init="grown", model={**larger, "grown": ()})
    with pytest.raises(errors.InputError, match="unknown initialisation"):
        world.train("third", weights="first", init="grow")


def test_weights_of_other_whales_or_another_split_are_refused(world, monkeypatch):
    world.train("first")
    world.photos = world.photos._replace(whales=("w_b", "w_x", "w_c"))
    with pytest.raises(errors.InputError, match=r"names other whales.*:\n- w_a 1\n\+ w_x 1$"):
        world.train("second", weights="first")
    old = world.split
    monkeypatch.setattr(splits, "load", lambda folder, photos: old)
    world.split = old._replace(hash="other", fold=np.array([0, 1, 2, 1, -1, -1]), folds=3)
    world.finish("split", {"split": "other", "digest": "other"})
    with pytest.raises(errors.InputError, match="trained on these photos by another split") as caught:
        world.train("third", weights="first")
    assert str(caught.value).splitlines()[1:] == [
        "- hash h",
        "+ hash other",
        "- folds 2",
        "+ folds 3",
        "- photos held out with each fold [2, 2]",
        "+ photos held out with each fold [1, 2, 1]",
        "1 of 6 photos are in another fold",
    ]


def test_weights_that_saw_what_is_validated_on_are_refused(world):
    world.train("first", fold=1)
    with pytest.raises(errors.InputError, match="first was trained on 2 of the 2 photos that are validated on here"):
        world.train("second", fold=0, weights="first")
    shutil.rmtree(world.folder / "first" / "checkpoints")
    with pytest.raises(errors.InputError, match="first holds no checkpoints"):
        world.train("third", fold=1, weights="first")
    assert not (world.folder / "first" / "checkpoints").exists()


def test_folds_and_parts_that_a_split_does_not_have_are_refused(world):
    for changes in ({"fold": 2}, {"fold": 99}, {"num_subfolds": 99}):
        program = "crossfit" if "num_subfolds" in changes else "train"
        has = "6 groups of photos" if "num_subfolds" in changes else "folds 0 to 1"
        with pytest.raises(errors.InputError, match=f"the split has {has}"):
            world.train("network", program=program, **changes)
        assert not (world.folder / "network").exists()


@pytest.mark.slow
def test_a_cross_fit_begins_part_by_part_and_may_come_from_other_photos(world):
    world.train("first", program="crossfit", **KEYPOINTS)
    world.photos = world.photos._replace(digest="others")
    world.finish("split", {"split": "other", "digest": "other"})
    world.split = world.split._replace(hash="other")
    still = {"optimizer": {"name": "nesterov", "lr": 0.0}}
    world.train("second", program="crossfit", weights="first", **KEYPOINTS, **still)
    for part in ("subfold0", "subfold1"):
        second, first = (world.parameters(f"{name}/{part}") for name in ("second", "first"))
        assert jax.tree.all(jax.tree.map(np.array_equal, second, first))


@pytest.mark.slow
def test_a_photo_is_predicted_by_the_networks_that_have_not_seen_it(world):
    """On photos of its own a cross-fit answers as it did out of fold; for others, all of its networks together."""
    world.train("first", program="crossfit", tta={"flip_ud": (0, 1)}, **KEYPOINTS)
    same = stage.run(predict_config(world, "first"), world.folder / "same")
    world.photos = world.photos._replace(digest="others")
    other = stage.run(predict_config(world, "first"), world.folder / "other")
    points = {
        name: predictions.load(world.folder / name, world.photos, kind="points") for name in ("first", "same", "other")
    }
    np.testing.assert_array_equal(points["same"], points["first"])
    np.testing.assert_allclose(points["other"][4:], points["first"][4:], rtol=1e-6)  # unlabelled: none had seen them
    assert not np.allclose(points["other"][:4], points["first"][:4], rtol=1e-5)
    for name, result in (("same", same), ("other", other)):
        error = np.linalg.norm(points[name] - world.photos.points, axis=-1).mean(1)
        length = np.linalg.norm(world.photos.points[:, 0] - world.photos.points[:, 1], axis=-1)
        assert result["metrics"]["point_error"] == pytest.approx((error / length).mean(), rel=1e-4)


def test_a_fold_can_be_held_out_from_all_parts():
    split = splits.Split(
        np.array([0, 1, 2, 3, -1]), np.array([0, 0, 0, 0, -1]), np.zeros(5, bool), np.arange(5), "h", 4, 0
    )
    config = stage.config("crossfit", num_subfolds=2, fold=1)
    parts = [
        row_choice.learned(
            split, annotation="label", holdout=row_choice.holdout_of(crossfit.subfold_config(config, part))
        )
        for part in range(2)
    ]
    assert [rows.tolist() for rows in parts] == [[2], [0, 3]]


@pytest.mark.slow
def test_a_whale_of_one_part_is_known_to_all_networks_and_judged_by_none(world):
    """Of photos 0 to 3, in parts 0, 1, 0 and 1, the first and the last are of one whale."""
    world.train("first", program="crossfit", fold=-1)
    networks = [
        row_choice.choose(
            world.data(),
            annotation="label",
            holdout=row_choice.holdout_of(json_files.read(world.folder / "first" / part / "config.json")),
        )
        for part in ("subfold0", "subfold1")
    ]
    assert [(train.tolist(), valid.tolist()) for train, valid in networks] == [([1, 2, 3], [0]), ([0, 1, 2], [3])]
    logits = predictions.load(world.folder / "first", world.photos, kind="logits")
    assert np.isnan(logits[[1, 2]]).all()
    assert np.isfinite(logits[[0, 3, 4, 5]]).all()


@pytest.mark.slow
def test_a_classifier_answers_in_the_order_of_the_other_photos_whales(world):
    world.train("first")
    world.photos = world.photos._replace(digest="others")
    stage.run(predict_config(world, "first"), world.folder / "same")
    world.photos = world.photos._replace(whales=("w_c", "w_b"))
    stage.run(predict_config(world, "first"), world.folder / "other")
    same, other = (np.load(world.folder / name / "predictions.npz")["logits"] for name in ("same", "other"))
    assert np.array_equal(other, same[:, [2, 0]])
    world.photos = world.photos._replace(whales=("w_c", "w_new"))
    with pytest.raises(errors.InputError, match="was not trained on 1 of the whales asked for, such as w_new"):
        stage.run(predict_config(world, "first"), world.folder / "more")


def predict_config(world, network):
    inputs = {name: path for name, path in world.inputs().items() if name != "split"}
    return stage.config("predict", inputs={**inputs, "network": str(world.folder / network)}, batch=4)


@pytest.mark.slow
def test_what_a_network_has_seen_must_be_known(world):
    """As it would not be, were photos dealt to parts in another way since."""
    world.train("first", program="crossfit", **KEYPOINTS)
    path = world.folder / "first" / "subfold0" / "result.json"
    json_files.write(path, provenance.seal({**json_files.read(path), "rows": "dealt otherwise"}, path.parent))
    with pytest.raises(
        errors.InputError, match="subfold0 was trained when photos were dealt to subfolds by another rule"
    ):
        stage.run(predict_config(world, "first"), world.folder / "same")


@pytest.mark.slow
def test_a_part_of_a_cross_fit_has_seen_what_the_others_are_asked_about(world):
    world.train("first", program="crossfit", **KEYPOINTS)
    with pytest.raises(errors.InputError, match="first/subfold0 was trained on 2 of the 2 photos"):
        world.train("second", program="crossfit", weights="first/subfold0", **KEYPOINTS)


@pytest.mark.slow
def test_the_last_weights_are_measured_too(world):
    world.train("first", fold=0, num_evals=2)
    result = json_files.read(world.folder / "first" / "result.json")
    config = ConfigDict(json_files.read(world.folder / "first" / "config.json"))
    last = restore.network(config, world.folder / "first", classes=3, best=False)
    metrics, arrays = prediction.predict(last, world.data(), rows=np.array([0, 2]), batch=2)
    assert {name: result["last"][name] for name in metrics} == pytest.approx(metrics)
    p = np.asarray(jax.nn.softmax(arrays["logits"]))
    prior = splits.prior(world.photos, world.split, fold=0)
    alone = [calibration.fit(p[[i]], world.photos.label[[j]], prior=prior)(p[[1 - i]])[0] for i, j in ((1, 2), (0, 0))]
    expected = -np.log([alone[0][world.photos.label[0]], alone[1][world.photos.label[2]]]).mean()
    assert result["last"]["calibrated"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.slow
def test_photos_that_go_by_names_a_network_has_seen_are_pointed_at(world, monkeypatch):
    world.train("first", program="crossfit", **KEYPOINTS)
    json_files.write(world.folder / "split" / "splits.json", {"name": ["3.jpg", "7.jpg"]})
    warnings = []
    monkeypatch.setattr(row_choice.logging, "warning", lambda text, *values: warnings.append(text % values))
    stage.run(predict_config(world, "first"), world.folder / "same")
    assert not any("have names of photos" in text for text in warnings)
    world.photos = world.photos._replace(digest="others")
    stage.run(predict_config(world, "first"), world.folder / "other")
    [warning] = [text for text in warnings if "have names of photos" in text]
    assert warning.startswith("1 photos, such as 3.jpg, have names of photos that")


@pytest.mark.slow
def test_weights_of_an_earlier_import_may_have_seen_what_is_validated_on(world, monkeypatch):
    world.train("first")
    json_files.write(world.folder / "split" / "splits.json", {"name": world.photos.name.tolist()})
    warnings = []
    monkeypatch.setattr(row_choice.logging, "warning", lambda text, *values: warnings.append(text % values))
    world.photos = world.photos._replace(digest="of one photo more")
    world.train("second", weights="first")
    [warning] = [text for text in warnings if "have names of photos" in text]
    assert warning.startswith("2 photos, such as 0.jpg, have names of photos that")


def test_a_trainings_checkpoints_are_where_its_config_says(tmp_path):
    assert str(restore.checkpoint_folder(tmp_path / "run", bucket="gs://b/c")) == f"gs://b/c{tmp_path}/run/checkpoints"
    assert str(restore.checkpoint_folder(tmp_path / "run")) == f"{tmp_path}/run/checkpoints"
    with pytest.raises(errors.InputError, match=r"launch\.mirror"):
        stage.check(stage.config("train", bucket="s3://b"))


@pytest.mark.slow
def test_a_network_predicts_whatever_its_optimiser_was(world):
    world.train("first")
    config = json_files.read(world.folder / "first" / "config.json")
    unknown = {**config, "optimizer": {"name": "unknown"}}
    network = restore.network(unknown, world.folder / "first", classes=3)
    assert (network.train, network.state.opt_state) == (None, ())
    assert jax.tree.all(jax.tree.map(np.array_equal, network.state.params, world.parameters("first")))
    [row] = prediction.predict(network, world.data(), rows=np.array([2]), batch=2)[1]["logits"]
    assert np.isfinite(row).all()
