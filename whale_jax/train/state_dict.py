"""The tensors of a .pth file, as torch.save wrote them before version 1.6, read without pickle: nothing is executed.

Such a file is five pickles, the fourth of which is the state dict, and then the numbers of each storage. A pickle is a
program for a machine with a stack, and may call any function. `pickletools` lists the instructions without following
them; `_run` follows those that a state dict of tensors has, and refuses all others.
"""

import math
import pickletools
import struct
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from whale_jax.runtime import errors

MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of such a file
STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8"}
# Instructions that put a new value on the stack, and those that put their argument there.
FRESH = {"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False}
FRESH |= {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
LITERALS = ("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1")


class Tensor(NamedTuple):
    """What torch._utils._rebuild_tensor_v2 is given: where in which storage a tensor lies."""

    storage: tuple[str, str, str, str, int, None]  # "storage", its type, key, device, number of numbers, no view
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    requires_grad: bool
    hooks: dict


# What a state dict may name, and what stands for it here: two functions, and the types of storages.
GLOBALS: dict[str, Any] = {"collections OrderedDict": dict, "torch._utils _rebuild_tensor_v2": Tensor}
GLOBALS |= {f"torch {name}": kind for name, kind in STORAGES.items()}


def read(path: Path) -> dict[str, np.ndarray]:
    """{name: (..., n) array} of the tensors in a .pth file; one that holds anything else raises InputError."""
    try:
        with path.open("rb") as file:
            magic, _, _, tensors, keys = (_run(file) for _ in range(5))
            if magic != MAGIC:
                raise ValueError("it does not begin as torch.save did before version 1.6")
            kinds = {tensor.storage[2]: tensor.storage[1] for tensor in tensors.values()}
            storages = {key: _numbers(file, kinds[key]) for key in keys}
            return {name: _array(tensor, storages[tensor.storage[2]]) for name, tensor in tensors.items()}
    except (ValueError, TypeError, LookupError, AttributeError, struct.error) as error:
        raise errors.InputError(
            f"{path} is no plain state dict of tensors ({error}): nothing of it was used"
        ) from error


def _run(file: BinaryIO) -> Any:
    """The value of the next pickle in a file. An instruction or a name that no state dict has raises ValueError."""
    stack, marks, memo = [], [], {}
    for instruction, argument, _ in pickletools.genops(file):
        match instruction.name:
            case "STOP":
                return stack.pop()
            case "PROTO" | "BINPERSID":  # the tuple that describes a storage stands for it
                pass
            case name if name in FRESH:
                stack.append(FRESH[name]())
            case name if name in LITERALS:
                stack.append(argument)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "MARK":
                marks.append(len(stack))
            case "TUPLE" | "APPENDS" | "SETITEMS" as name:
                start = marks.pop()
                stack[start:], values = [], stack[start:]
                _collect(name, stack, values)
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                value = stack.pop()
                stack[-1].append(value)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                stack[-1][key] = value
            case "BUILD":  # gives the dictionary an attribute, the versions of the modules
                stack.pop()
            case "GLOBAL":
                stack.append(_meaning(argument))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(_called(function, arguments))
            case name:
                raise ValueError(f"it has the instruction {name}")
    raise ValueError("it ends too early")


def _collect(name: str, stack: list, values: list) -> None:
    """Makes a tuple of the values since the last mark, or adds them to the list or dictionary before it."""
    if name == "TUPLE":
        stack.append(tuple(values))
    elif name == "APPENDS":
        stack[-1].extend(values)
    else:
        stack[-1].update(zip(values[::2], values[1::2], strict=True))


def _meaning(name: str) -> Any:
    """What stands here for a function or a type that a pickle names, "module name"."""
    if name not in GLOBALS:
        raise ValueError(f"it asks for {name.replace(' ', '.')}")
    return GLOBALS[name]


def _called(function: Any, arguments: tuple) -> dict | Tensor:
    """A new dictionary, or a tensor's description."""
    if function is dict and arguments == ():
        return {}
    if function is Tensor:
        return Tensor(*arguments)
    raise ValueError(f"it calls {function!r}")


def _numbers(file: BinaryIO, kind: str) -> np.ndarray:
    """(n,) numbers of the next storage in a file: their count in eight bytes, then they."""
    (count,), dtype = struct.unpack("<q", file.read(8)), np.dtype(kind)
    return np.frombuffer(file.read(count * dtype.itemsize), dtype, count)


def _array(tensor: Tensor, storage: np.ndarray) -> np.ndarray:
    """The array of a tensor; one that reaches beyond its (n,) storage raises ValueError."""
    steps = [step * (length - 1) for step, length in zip(tensor.stride, tensor.size, strict=True)]
    inside = min((tensor.offset, *tensor.stride, *tensor.size)) >= 0 and tensor.offset + sum(steps) < len(storage)
    if not inside or math.prod(tensor.size) > len(storage):
        raise ValueError(f"a tensor of shape {tensor.size} is not within its storage of {len(storage)} numbers")
    strides = [step * storage.itemsize for step in tensor.stride]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.size, strides).copy()
