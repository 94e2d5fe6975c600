"""Files of weights are read without unpickling anything, and released ones give a network what they are known for."""

import collections
import hashlib
import importlib.util
import os
import pickle
import struct
import sys
import types
from functools import partial

import jax
import numpy as np
import pytest
from flax import traverse_util
from numpy.testing import assert_allclose, assert_array_equal

from whale_jax.models import layouts
from whale_jax.models.efficientnet import EfficientNet
from whale_jax.runtime import errors
from whale_jax.train import pretrained, state_dict


class Storage:
    """Numbers, as PyTorch keeps those of a tensor apart from its shape."""

    def __init__(self, key, numbers):
        self.key, self.numbers = key, numbers


class Tensor:
    """What pickles as a tensor of PyTorch does."""

    def __init__(self, storage, offset, size, stride):
        self.arguments = storage, offset, size, stride, False, collections.OrderedDict()

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage):
            kind = {"f": "FloatStorage", "i": "LongStorage"}[value.numbers.dtype.kind]
            return "storage", getattr(sys.modules["torch"], kind), value.key, "cpu", len(value.numbers), None
        return None


@pytest.fixture
def torch(monkeypatch):
    """Modules with the names that a file of PyTorch's mentions; nothing ever calls what is in them."""
    modules = {name: types.ModuleType(name) for name in ("torch", "torch._utils")}
    for module, name in (("torch", "FloatStorage"), ("torch", "LongStorage"), ("torch._utils", "_rebuild_tensor_v2")):
        setattr(modules[module], name, type(name, (), {"__module__": module, "__qualname__": name}))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


def write(path, tensors, storages, protocol=2):
    """A file as torch.save wrote it before version 1.6."""
    with path.open("wb") as file:
        for part in (state_dict.MAGIC, 1001, {"little_endian": True}, tensors, [storage.key for storage in storages]):
            Pickler(file, protocol=protocol).dump(part)
        for storage in storages:
            file.write(struct.pack("<q", len(storage.numbers)) + storage.numbers.tobytes())
    return path


def contents():
    """A state dict of three tensors in two storages, the values they stand for, and the storages."""
    numbers = Storage("7", np.arange(10, dtype=np.float32)), Storage("8", np.array([41]))
    tensors = collections.OrderedDict(
        a=Tensor(numbers[0], 2, (2, 3), (3, 1)),
        b=Tensor(numbers[0], 1, (2, 3), (1, 2)),
        n=Tensor(numbers[1], 0, (), ()),
    )
    tensors._metadata = {"": {"version": 2}}
    return tensors, {"a": [[2, 3, 4], [5, 6, 7]], "b": [[1, 3, 5], [2, 4, 6]], "n": 41}, numbers


class Hostile:
    """What runs a program when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder / "was_here"),)


def test_tensors_of_pytorchs_old_format_are_read_whatever_their_strides(tmp_path, torch):
    tensors, expected, storages = contents()
    arrays = state_dict.read(write(tmp_path / "w.pth", tensors, storages))
    assert arrays.keys() == expected.keys()
    for name, values in expected.items():
        assert_array_equal(arrays[name], values)
        assert arrays[name].shape == np.shape(values)
    assert [arrays[name].dtype.str for name in expected] == ["<f4", "<f4", "<i8"]


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("place", ["first", "among tensors"])
def test_a_hostile_pickle_is_refused_and_runs_nothing(tmp_path, torch, place, protocol, monkeypatch):
    tensors, _, storages = contents()
    path, hostile = tmp_path / "w.pth", Hostile(tmp_path)
    if place == "first":
        path.write_bytes(pickle.dumps(hostile, protocol=protocol))
    else:
        write(path, {**tensors, "x": hostile}, storages, protocol)
    monkeypatch.setattr(pickle, "loads", None)  # nobody asks for them
    monkeypatch.setattr(pickle, "load", None)
    with pytest.raises(errors.InputError, match=r"no plain state dict of tensors .*(mkdir|STACK_GLOBAL|FRAME)"):
        state_dict.read(path)
    assert not (tmp_path / "was_here").exists()


def test_damaged_files_are_refused(tmp_path, torch):
    tensors, _, storages = contents()
    path = write(tmp_path / "w.pth", tensors, storages)
    content = path.read_bytes()
    for damaged in (content[:-1], content[:-9], content[: len(content) // 2], b"", b"PK\3\4", content[15:]):
        path.write_bytes(damaged)
        with pytest.raises(errors.InputError, match=r"w\.pth is no plain state dict"):
            state_dict.read(path)
    for size, stride, offset in (((3, 4), (4, 1), 0), ((2,), (1,), 9), ((2,), (1,), -1), ((9, 9), (0, 0), 0)):
        with pytest.raises(errors.InputError, match="not within its storage"):
            state_dict.read(write(path, {"a": Tensor(storages[0], offset, size, stride)}, storages[:1]))


def test_an_npz_with_a_pickle_in_it_runs_nothing(tmp_path):
    np.savez(tmp_path / "good.npz", a=np.arange(3.0))
    assert_array_equal(pretrained.read(pretrained.locate(str(tmp_path / "good.npz"), variant=""))["a"], [0, 1, 2])
    np.savez(tmp_path / "bad.npz", a=np.array([Hostile(tmp_path)], object))
    with pytest.raises(errors.InputError, match=r"bad\.npz cannot be read"):
        pretrained.read(tmp_path / "bad.npz")
    assert not (tmp_path / "was_here").exists()


def test_files_that_are_not_read_say_what_to_do(tmp_path):
    for name in ("w.pth", "w.pt", "w.bin"):
        (tmp_path / name).write_bytes(pickle.dumps(Hostile(tmp_path)))
        with pytest.raises(errors.InputError, match=r"is a pickle.*tools/convert\.py"):
            pretrained.locate(str(tmp_path / name), variant="lite0")
    with pytest.raises(errors.InputError, match=r"neither 'imagenet' nor a file \.safetensors or \.npz"):
        pretrained.locate("image_net", variant="lite0")
    with pytest.raises(errors.InputError, match="is not there"):
        pretrained.locate(str(tmp_path / "w.npz"), variant="lite0")
    with pytest.raises(errors.InputError, match="no package of weights of 'b0'"):
        pretrained.locate("imagenet", variant="b0")


@pytest.mark.slow
def test_a_file_of_safetensors_is_read(tmp_path, monkeypatch):
    (tmp_path / "w.safetensors").write_bytes(b"no such thing")
    path = pretrained.locate(str(tmp_path / "w.safetensors"), variant="")
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "safetensors", None)
        with pytest.raises(errors.InputError, match=r"needs the package safetensors: pip install -r requirements-pre"):
            pretrained.read(path)
    safetensors = pytest.importorskip("safetensors.numpy")
    with pytest.raises(errors.InputError, match="cannot be read"):
        pretrained.read(path)
    safetensors.save_file({"a": np.arange(6, dtype=np.float16).reshape(2, 3)}, path)
    assert_array_equal(pretrained.read(path)["a"], [[0, 1, 2], [3, 4, 5]])


def test_a_checksum_is_sha256_and_notices_a_change(tmp_path):
    path = tmp_path / "w.npz"
    for content in (b"one", b"three"):
        path.write_bytes(content)
        assert pretrained.checksum(path) == hashlib.sha256(content).hexdigest()


def test_a_package_is_optional_and_must_hold_what_it_was_released_with(tmp_path, monkeypatch):
    spec = types.SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert pretrained.locate("imagenet", variant="lite0") is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "w.pth").write_bytes(b"of another")
    with pytest.raises(errors.InputError, match=r"does not hold the weights.*requirements-pretrained\.txt"):
        pretrained.locate("imagenet", variant="lite0")


@pytest.mark.slow
def test_released_weights_compute_what_they_compute_in_pytorch():
    """By timm 1.0.31's tf_efficientnet_lite0 with the tensors of the package, read by PyTorch 2.14."""
    if (path := pretrained.locate("imagenet", variant="lite0")) is None:
        pytest.skip(pretrained.INSTALL)
    model, tensors = EfficientNet(1000), pretrained.read(path)
    y, x, channel = np.meshgrid(np.arange(96), np.arange(192), np.arange(3), indexing="ij")
    picture = ((y * 5 + x * 3 + channel * 40) % 256 - 127.0)[None].astype(np.float32) / 128
    shapes = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), picture)
    fit = layouts.fit(shapes, tensors, modules=model.pretrained)
    head = {"kernel": tensors["_fc.weight"].T, "bias": tensors["_fc.bias"]}
    leaves = fit.leaves | {("params", "head", "Dense_0", leaf): values for leaf, values in head.items()}
    logits, out = jax.jit(partial(model.apply, train=False))(traverse_util.unflatten_dict(leaves), picture)
    assert_allclose(out["features"][0, :7], [0, 0, 0, 0, 0, 0.57951, 1.52565], atol=1e-4)
    assert_allclose([out["features"].mean(), out["features"].std()], [0.2152181, 0.73301417], atol=1e-5)
    expected = [2.10692, -0.18064, 0.28864, -0.57106, -1.36152, 0.17647, -1.01954, 1.41151]
    assert_allclose(logits[0, :8], expected, atol=1e-4)
    assert logits.argmax() == 807
    assert_allclose(logits.max(), 9.69622, atol=1e-4)
