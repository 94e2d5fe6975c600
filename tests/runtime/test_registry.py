"""From a name to what it means, and what a wrong name gets."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from whale_jax.runtime import errors, registry


def network(*, outputs, stages=(), dropout=0.5):
    return outputs, stages, dropout


TABLE = {"vgg": network, "resnet": lambda *, outputs: outputs}


def test_lookup_finds_the_entry():
    assert registry.lookup("model", TABLE, "vgg") is network


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vg", "unknown model 'vg': did you mean vgg? the choices are resnet, vgg"),
        ("ResNet", "unknown model 'ResNet': did you mean resnet? the choices are resnet, vgg"),
        ("xyz", "unknown model 'xyz': the choices are resnet, vgg"),
    ],
)
def test_an_unknown_name_lists_the_close_matches_and_the_choices(name, message):
    with pytest.raises(errors.InputError) as caught:
        registry.lookup("model", TABLE, name)
    assert str(caught.value) == message


def test_a_name_is_registered_once_and_keeps_its_entry():
    table = registry.Registry("model", vgg=network)
    table.register("tiny", TABLE["resnet"])
    table.register("tiny", TABLE["resnet"])  # the same once more, as a module that is imported twice does
    assert table == {"vgg": network, "tiny": TABLE["resnet"]}
    with pytest.raises(ValueError, match=r"model 'vgg' is registered already"):
        table.register("vgg", TABLE["resnet"])
    assert registry.lookup("model", table, "vgg") is network


def test_build_calls_with_the_specs_arguments():
    spec = ConfigDict({"name": "vgg", "dropout": 0.8, "stages": [[48, 3], [64, 3]]})
    assert registry.build("model", TABLE, spec, outputs=4) == (4, ((48, 3), (64, 3)), 0.8)


def test_what_is_not_the_configs_to_choose_is_refused():
    with pytest.raises(errors.InputError, match=r"unknown key of model 'vgg' 'outputs': .*choices are dropout, stages"):
        registry.build("model", TABLE, {"name": "vgg", "outputs": 3}, outputs=5)
    spec = {"name": "vgg", "dropout": 0.5}  # as `complete` writes it down
    assert registry.build("model", TABLE, spec, outputs=5, dropout=0.1) == (5, (), 0.1)


def test_an_unknown_key_is_named_with_its_close_matches():
    with pytest.raises(errors.InputError, match=r"unknown key of model 'vgg' 'drop_out': did you mean dropout\?"):
        registry.build("model", TABLE, {"name": "vgg", "drop_out": 0.1}, outputs=1)


def test_a_completed_spec_shows_the_defaults_and_keeps_what_it_says():
    def make(*, size, depth=2, act="relu", dtype=np.float32, share=0.5):
        """Stands for a model."""

    spec = registry.complete("model", {"small": make}, {"name": "small", "share": 0.1})
    assert spec == {"name": "small", "depth": 2, "act": "relu", "share": 0.1}
