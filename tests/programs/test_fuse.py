"""Members of any kind become one answer: logits, scores of a search, probabilities."""

import numpy as np
import pytest

from tests.programs.test_stages import photos
from whale_jax.data import predictions, probabilities, right_whale, splits
from whale_jax.runtime import errors
from whale_jax.workflow import json_files, stage


@pytest.fixture
def fuse(tmp_path, monkeypatch):
    """Fuses a network that is mostly right and a search that is so for other photos; rows 30 on have no name."""
    data = photos(34, test=4)
    split = splits.Split(np.arange(34) % 2, data.label, np.zeros(34, bool), np.arange(34), "h", 2, 0)
    split.fold[30:] = -1
    monkeypatch.setattr(right_whale, "load", lambda folder: data)
    monkeypatch.setattr(splits, "load", lambda folder, photos: split)
    truth, rng = np.eye(3)[np.arange(34) % 3], np.random.default_rng(0)
    logits, cosines = 2 * truth + rng.normal(0, 1, (34, 3)), 0.2 * truth + rng.normal(0, 0.1, (34, 3))
    cosines[[1, 3, 33]] = np.nan  # searched, and without a head
    logits[33] = np.nan
    arrays = {"network": {"logits": logits, "features": rng.normal(0, 1, (34, 5))}, "search": {"scores": cosines}}
    for name in ("photos", "split", "network", "search", "stack", "box"):
        (tmp_path / name).mkdir()
        json_files.write(tmp_path / name / "result.json", {"digest": name, "split": "h" if name == "split" else None})
    for name, kinds in (arrays | {"box": {"box": truth}}).items():
        predictions.save(tmp_path / name, data, arrays=kinds)
    probabilities.save(tmp_path / "stack", data, arrays={"stack": truth * 0.4 + 0.2, "network": truth * 0 + 1 / 3})

    def run(*members, folder="fused", **changes):
        inputs = {name: str(tmp_path / name) for name in ("photos", "split", *members)}
        return stage.run(stage.config("fuse", inputs=inputs, **changes), tmp_path / folder)

    return run, tmp_path, data


def test_members_are_fused_and_measured_by_every_way(fuse):
    run, folder, data = fuse
    result = run("network", "search")
    metrics = result["metrics"]
    assert metrics.keys() == {"fused", "weights", "regression", "wildfusion", "network", "search"}
    assert metrics["fused"] == metrics["weights"]
    assert metrics["fused"]["log_loss"] < min(metrics["network"]["log_loss"], metrics["search"]["log_loss"])
    assert result["weights"].keys() == {"network", "search"}
    lines = (folder / "fused" / "table.md").read_text().splitlines()
    by_weights = next(line for line in lines if line.startswith("| all, by weights"))
    assert f"{metrics['weights']['log_loss']:.3f}" in by_weights
    answers = probabilities.load(folder / "fused", data)
    assert answers.keys() == {"fused", "network", "search"}
    answered = np.isfinite(answers["fused"]).all(1)
    assert np.flatnonzero(answered).tolist() == [*range(0, 30, 2), 30, 31, 32]  # held out, or without a name
    np.testing.assert_allclose(answers["fused"][answered].sum(1), 1)


@pytest.mark.slow
def test_the_answer_is_calibrated_and_submitted_like_others(fuse):
    run, folder, _ = fuse
    run("network", "search", method="wildfusion")
    inputs = {name: str(folder / name) for name in ("photos", "split")}
    calibrate = stage.config("calibrate", inputs={**inputs, "probabilities": str(folder / "fused")})
    stage.run(calibrate, folder / "calibrated")
    submit = stage.config("submit", inputs={**inputs, "probabilities": str(folder / "calibrated")}, source="fused")
    result = stage.run(submit, folder / "submission")
    assert (result["source"], result["rows"], result["unseen"]) == ("fused", 4, ["33.jpg"])


def test_every_source_of_probabilities_is_a_member(fuse):
    run, _, _ = fuse
    weights = run("stack", "search")["weights"]
    assert weights.keys() == {"stack_stack", "stack_network", "search"}
    assert weights["stack_network"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("members", "changes", "message"),
    [
        ((), {}, "there is nothing to fuse"),
        (("box",), {}, "box scores no whales: name an `extract`"),
        (("network",), {"method": "weight"}, "unknown way to fuse 'weight': did you mean weights"),
        (("network",), {"fold": -1}, "holds no photo out to measure on"),
    ],
)
def test_what_cannot_be_fused_is_refused(fuse, members, changes, message):
    run, folder, _ = fuse
    with pytest.raises(errors.InputError, match=message):
        run(*members, **changes)
    assert not (folder / "fused" / "result.json").exists()


def test_one_whale_leaves_nothing_to_choose_from(fuse, monkeypatch):
    run, _, data = fuse
    monkeypatch.setattr(right_whale, "load", lambda folder: data._replace(whales=("a",)))
    with pytest.raises(errors.InputError, match="name one whale or none"):
        run("network", "search")


def test_a_member_is_not_called_as_the_answer_of_all_is(fuse):
    config = stage.config("fuse", inputs={"fused": "somewhere"})
    with pytest.raises(errors.InputError, match=r"inputs\.fused: a member needs another name"):
        stage.check(config)
