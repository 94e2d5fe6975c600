"""What single stages write: probabilities and the submission."""

import csv
import json
from functools import partial

import numpy as np
import pytest
from ml_collections import ConfigDict

from whale_jax import geometry, tasks
from whale_jax.data import predictions, right_whale, splits
from whale_jax.evaluation.probabilities import score
from whale_jax.experiment import prediction
from whale_jax.programs import calibrate, stack, submit
from whale_jax.runtime import errors
from whale_jax.workflow import json_files, stage


def photos(count=6, whales=("w_b", "w_a", "w_c"), test=2):
    rng = np.random.default_rng(0)
    label = np.array([i % len(whales) for i in range(count - test)] + [-1] * test, np.int32)
    points = rng.uniform(200, 400, (count, 2, 2)).astype(np.float32)
    return right_whale.Photos(
        name=np.array([f"{i}.jpg" for i in range(count)]),
        whale=np.array([whales[i] if i >= 0 else "" for i in label]),
        label=label,
        points=points,
        box=np.array(geometry.bounding_box(points)),
        encounter=np.array([""] * count),
        size=np.tile(np.array([[600, 800]], np.int32), (count, 1)),
        whales=whales,
        digest="x",
        jpeg=lambda row: b"",
    )


def fake_inputs(monkeypatch, tmp_path, data, probabilities, program="stack"):
    np.savez(tmp_path / "probabilities.npz", **probabilities)
    json_files.write(tmp_path / "config.json", {"program": program})
    json_files.write(tmp_path / "result.json", {"program": program})
    monkeypatch.setattr(submit.right_whale, "load", lambda folder: data)
    split = type("Split", (), {"hash": "h"})()
    monkeypatch.setattr(submit.splits, "load", lambda folder, photos: split)
    monkeypatch.setattr(submit.splits, "valid_rows", lambda split, fold: np.array([0, 1]))


def test_the_submission_has_the_samples_columns_and_takes_the_better_source(monkeypatch, tmp_path):
    data = photos()
    good = np.full((6, 3), 0.01)
    good[np.arange(4), data.label[:4]] = 0.98
    good[4:] = [0.2, 0.7, 0.1]
    fake_inputs(monkeypatch, tmp_path, data, {"network": np.full((6, 3), 1 / 3), "stack": good})
    inputs = {"photos": "", "split": "", "probabilities": str(tmp_path)}
    result = submit.run(stage.config("submit", inputs=inputs), tmp_path)
    rows = list(csv.reader((tmp_path / "submission.csv").open()))
    assert rows[0] == ["Image", "w_b", "w_a", "w_c"]
    assert [row[0] for row in rows[1:]] == ["4.jpg", "5.jpg"]
    np.testing.assert_allclose(np.array(rows[1][1:], float), [0.2, 0.7, 0.1], rtol=1e-3)
    assert result["source"] == "stack"
    header, first, _ = csv.reader((tmp_path / "likeliest.csv").open())
    assert header[:3] == ["Image", "whale_1", "probability_1"]
    assert first == ["4.jpg", "w_a", "0.7000", "w_b", "0.2000", "w_c", "0.1000"]
    assert submit.run(stage.config("submit", inputs=inputs, source="network"), tmp_path)["source"] == "network"
    with pytest.raises(errors.InputError, match="source of probabilities 'stak': did you mean stack"):
        submit.run(stage.config("submit", inputs=inputs, source="stak"), tmp_path)


def test_photos_of_an_encounter_get_one_answer_and_those_trained_on_have_no_say(monkeypatch, tmp_path):
    data = photos()._replace(encounter=np.array(["a", "b", "b", "", "b", "b"]))
    p = np.full((6, 3), 1 / 3)
    p[1] = [0.98, 0.01, 0.01]  # trained on, and of the encounter that is asked about
    p[0], p[4], p[5] = [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.2, 0.3, 0.5]
    fake_inputs(monkeypatch, tmp_path, data, {"network": p})
    monkeypatch.setattr(submit.splits, "train_rows", lambda split, fold: np.array([1, 2, 3]))
    monkeypatch.setattr(submit.splits, "valid_rows", lambda split, fold: np.array([0]))
    inputs = {"photos": "", "split": "", "probabilities": str(tmp_path)}
    result = submit.run(stage.config("submit", inputs=inputs, encounters=True, floor=0.0), tmp_path)
    _, first, second = csv.reader((tmp_path / "submission.csv").open())
    np.testing.assert_allclose(np.array([first[1:], second[1:]], float), [[4 / 34, 15 / 34, 15 / 34]] * 2, rtol=1e-5)
    assert result["metrics"]["top1"] == 1
    monkeypatch.setattr(submit.right_whale, "load", lambda folder: photos())
    with pytest.raises(errors.InputError, match=r"config.encounters: no photo names its encounter"):
        submit.run(stage.config("submit", inputs=inputs, encounters=True), tmp_path)


def test_photos_without_a_name_have_no_say_in_what_an_encounter_is_worth(monkeypatch, tmp_path):
    """Their answers may come from a search that knows the very photo that is measured."""
    data = photos()._replace(encounter=np.array(["a", "b", "b", "", "a", "a"]))
    p = np.full((6, 3), 1 / 3)
    p[[0, 4, 5]] = [0.2, 0.7, 0.1]
    fake_inputs(monkeypatch, tmp_path, data, {"network": p})
    monkeypatch.setattr(submit.splits, "train_rows", lambda split, fold: np.array([1, 2, 3]))
    monkeypatch.setattr(submit.splits, "valid_rows", lambda split, fold: np.array([0]))
    inputs = {"photos": "", "split": "", "probabilities": str(tmp_path)}
    result = submit.run(stage.config("submit", inputs=inputs, encounters=True, floor=0.0), tmp_path)
    assert result["metrics"]["log_loss"] == pytest.approx(-np.log(p[0, data.label[0]]))
    _, first, _ = csv.reader((tmp_path / "submission.csv").open())
    assert max(map(float, first[1:])) > 0.9


def test_the_submission_has_the_samples_rows_whatever_was_imported(monkeypatch, tmp_path):
    """A photo that nobody asks about is left out; one that could not be read may be any whale."""
    data = photos()._replace(sample=("5.jpg", "unreadable.jpg"))
    p = np.full((6, 3), 1 / 3)
    p[5] = [0.2, 0.7, 0.1]
    fake_inputs(monkeypatch, tmp_path, data, {"network": p})
    inputs = {"photos": "", "split": "", "probabilities": str(tmp_path)}
    result = submit.run(stage.config("submit", inputs=inputs), tmp_path)
    _, first, second = csv.reader((tmp_path / "submission.csv").open())
    assert (first[0], second[0]) == ("5.jpg", "unreadable.jpg")
    np.testing.assert_allclose(np.array([first[1:], second[1:]], float), [[0.2, 0.7, 0.1], [1 / 3] * 3], rtol=1e-3)
    assert (result["rows"], result["unseen"]) == (2, ["unreadable.jpg"])
    assert result["caveats"] == ["network: a log loss of 1.099, no better than 1.099 of all whales equally likely"]


def test_a_photo_of_the_sample_that_a_person_named_is_that_whale(monkeypatch, tmp_path):
    data = photos()._replace(sample=("5.jpg", "1.jpg"))
    p = np.full((6, 3), 1 / 3)
    p[1] = np.nan  # as of a photo that was trained on
    fake_inputs(monkeypatch, tmp_path, data, {"network": p})
    inputs = {"photos": "", "split": "", "probabilities": str(tmp_path)}
    result = submit.run(stage.config("submit", inputs=inputs), tmp_path)
    _, _, row = csv.reader((tmp_path / "submission.csv").open())
    np.testing.assert_allclose(np.array(row[1:], float), np.eye(3)[data.label[1]], atol=1e-3)
    assert result["unseen"] == []


@pytest.mark.parametrize(("program", "least"), [("calibrate", 1e-9), ("stack", 1e-4)])
def test_only_what_is_not_calibrated_gets_a_floor(monkeypatch, tmp_path, program, least):
    data, p = photos(), np.tile([1 - 2e-9, 1e-9, 1e-9], (6, 1))
    fake_inputs(monkeypatch, tmp_path, data, {"network": p}, program)
    inputs = {"photos": "", "split": "", "probabilities": str(tmp_path)}
    result = submit.run(stage.config("submit", inputs=inputs), tmp_path)
    _, *rows = csv.reader((tmp_path / "submission.csv").open())
    np.testing.assert_allclose(np.array([row[2:] for row in rows], float), least, rtol=1e-3)
    assert result["metrics"]["log_loss"] == pytest.approx(-np.log(least) / 2, rel=1e-3)  # of one right, one wrong


def halved(monkeypatch, *programs):
    """120 photos with a name in two folds, and ten without: what the programs load."""
    data = photos(count=130, test=10)
    fold = np.where(np.arange(130) < 120, np.arange(130) % 2, -1).astype(np.int32)
    split = splits.Split(fold, data.label, np.zeros(130, bool), np.where(fold < 0, -1, np.arange(130)), "h", 2, 0)
    for program in programs:
        monkeypatch.setattr(program.right_whale, "load", lambda folder: data)
        monkeypatch.setattr(program.splits, "load", lambda folder, photos: split)
    return data


def test_the_stack_takes_the_penalty_whose_calibrated_answers_are_best(monkeypatch, tmp_path):
    data = halved(monkeypatch, stack, calibrate)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(130, 80)).astype(np.float32)
    features[np.arange(120), data.label[:120]] += 1.3  # little to see, much noise
    features[3] = np.nan  # a photo without a picture
    logits = np.where(np.isfinite(features).all(1)[:, None], np.zeros((130, 3), np.float32), np.nan)
    predictions.save(tmp_path, data, arrays={"features": features, "logits": logits})
    inputs = {"photos": "", "split": ""}
    config = stage.config("stack", inputs={**inputs, "features": str(tmp_path)}, C=(0.02, 100.0))
    result = stack.run(config, tmp_path)
    losses = result["in_sample_log_loss_by_C"]
    assert result["C"] == 0.02
    assert losses["0.02"] < losses["100.0"] < np.log(3) + 0.01  # calibrated, what knows nothing is a guess
    with np.load(tmp_path / "probabilities.npz") as written:
        assert np.flatnonzero(np.isnan(written["stack"]).all(1)).tolist() == [3]
        np.testing.assert_allclose(np.delete(written["stack"], 3, axis=0).sum(1), 1, rtol=1e-5)


def test_the_stack_of_several_networks_keeps_each_and_their_average(monkeypatch, tmp_path):
    """On logits that a network has right, and on some that say nothing; the regression finds out which."""
    data = halved(monkeypatch, stack)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2, 130, 3)).astype(np.float32)
    for name, logits in (("good", noise[0] + 3 * np.eye(3, dtype=np.float32)[data.label]), ("bad", noise[1])):
        (tmp_path / name).mkdir()
        predictions.save(tmp_path / name, data, arrays={"logits": logits})
    inputs = {"photos": "", "split": "", "features_good": str(tmp_path / "good"), "features_bad": str(tmp_path / "bad")}
    for pca in (0, 4):
        metrics = stack.run(stage.config("stack", inputs=inputs, input_kind="logits", pca=pca, C=(1.0,)), tmp_path)[
            "metrics"
        ]
        assert (
            metrics["stack"]["top1"] >= metrics["features_good"]["top1"] - 0.05 > metrics["features_bad"]["top1"] + 0.2
        )
    with np.load(tmp_path / "probabilities.npz") as written:
        mean = (written["features_good"] + written["features_bad"]) / 2
        np.testing.assert_allclose(written["network"], mean, rtol=1e-6)
    with pytest.raises(errors.InputError, match="did you mean features"):
        stage.check(stage.config("stack", input_kind="feature"))


def test_a_stack_takes_descriptors_beside_a_network_and_not_alone(monkeypatch, tmp_path):
    """The network knows nothing; the descriptors tell the whales apart."""
    data = halved(monkeypatch, stack)
    kinds = {"network": {"features": np.ones((130, 2)), "logits": np.zeros((130, 3))}}
    kinds["hog"] = {"features": np.eye(3)[data.label]}
    for name, arrays in kinds.items():
        (tmp_path / name).mkdir()
        predictions.save(tmp_path / name, data, arrays={kind: np.float32(array) for kind, array in arrays.items()})
    inputs = {"photos": "", "split": "", "features": str(tmp_path / "hog"), "features2": str(tmp_path / "network")}
    metrics = stack.run(stage.config("stack", inputs=inputs, C=(1.0,)), tmp_path)["metrics"]
    assert metrics["stack"]["top1"] == 1
    assert metrics.keys() == {"stack", "network"}
    with pytest.raises(errors.InputError, match="add the features of one"):
        stack.run(stage.config("stack", inputs={**inputs, "features2": ""}, C=(1.0,)), tmp_path)


def test_calibration_is_measured_on_photos_it_was_not_fitted_on(monkeypatch, tmp_path):
    data = photos(count=410, test=10)
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.ones(3), 410)
    data = data._replace(label=np.append([rng.choice(3, p=p) for p in true[:400]], [-1] * 10).astype(np.int32))
    sure = true**3 / (true**3).sum(1, keepdims=True)
    fold = np.where(data.label < 0, -1, 0).astype(np.int32)
    split = splits.Split(fold, data.label, np.zeros(410, bool), np.where(fold < 0, -1, np.arange(410) // 2), "h", 2, 0)
    monkeypatch.setattr(calibrate.right_whale, "load", lambda folder: data)
    monkeypatch.setattr(calibrate.splits, "load", lambda folder, photos: split)
    np.savez(tmp_path / "probabilities.npz", network=sure)
    json_files.write(tmp_path / "result.json", {"train_metrics": {"network": {"log_loss": 0.5}}})
    inputs = {"photos": "", "split": "", "probabilities": str(tmp_path)}
    (tmp_path / "out").mkdir()
    result = calibrate.run(stage.config("calibrate", inputs=inputs), tmp_path / "out")
    assert result["train_metrics"] == {"network": {"log_loss": 0.5}}
    metrics = result["metrics"]["network"]
    best = -np.log(true[np.arange(400), data.label[:400]]).mean()
    assert metrics["before"]["log_loss"] > best + 0.2
    assert metrics["after"]["log_loss"] == pytest.approx(best, abs=0.03)
    assert metrics["after"]["top1"] == pytest.approx(metrics["before"]["top1"], abs=0.01)
    assert metrics["after"]["ece"] < metrics["before"]["ece"] / 2
    assert metrics["temperature"] == pytest.approx(3, rel=0.2)
    assert (result["validated_on"], result["caveats"]) == (400, [])
    with np.load(tmp_path / "out" / "probabilities.npz") as written:
        np.testing.assert_allclose(written["network"], true, atol=0.1)
        # Whatever is measured on them later is of a calibration that has not seen them.
        assert score(written["network"][:400], data.label[:400]).items() <= metrics["after"].items()


def test_calibration_says_where_nothing_but_the_prior_is_left(monkeypatch, tmp_path):
    """Of a network that names another whale than the true one, always."""
    data = photos(count=62)
    wrong = np.eye(3)[(data.label + 1) % 3] * 0.9 + 0.03
    fold = np.where(data.label < 0, -1, np.arange(62) % 2).astype(np.int32)
    split = splits.Split(fold, data.label, np.zeros(62, bool), np.where(fold < 0, -1, np.arange(62)), "h", 2, 0)
    monkeypatch.setattr(calibrate.right_whale, "load", lambda folder: data)
    monkeypatch.setattr(calibrate.splits, "load", lambda folder, photos: split)
    np.savez(tmp_path / "probabilities.npz", network=wrong)
    json_files.write(tmp_path / "result.json", {"train_metrics": {}})
    (tmp_path / "out").mkdir()
    inputs = {"photos": "", "split": "", "probabilities": str(tmp_path)}
    result = calibrate.run(stage.config("calibrate", inputs=inputs), tmp_path / "out")
    assert any("only how often each whale was photographed" in line for line in result["caveats"])


def test_points_that_are_far_off_are_told(tmp_path):
    data = photos()
    measure = partial(prediction.summary, tasks.build({"name": "keypoints"}, size=(8, 8)))
    measured = measure({"points": data.points + np.float32([300, 0])}, photos=data)
    assert measured["validated_on"] == 6
    assert [line.rpartition(": ")[2] for line in measured["caveats"]] == ["most crops will show sea"]
    near = measure({"points": data.points + np.float32([1, 0])}, photos=data)
    assert near["caveats"] == []
    unmeasured = {"metrics": {}, "validated_on": 0, "caveats": []}
    assert measure({"points": data.points}, photos=data._replace(points=data.points * np.nan)) == unmeasured


def test_configs_are_json(tmp_path):
    config = stage.config("train", size=(10, 20))
    assert json.loads(config.to_json_best_effort())["size"] == [10, 20]
    assert isinstance(config, ConfigDict)
