"""Converts a .pth file of weights into a .safetensors file, which whale_jax reads.

    python -m venv convert && convert/bin/pip install torch numpy safetensors
    convert/bin/python tools/convert.py WEIGHTS.pth WEIGHTS.safetensors

It needs PyTorch, and nothing of whale_jax. A .pth file is a pickle, which could run any program; PyTorch's
`weights_only` lets it make tensors and nothing else.
"""

import argparse
from pathlib import Path

WRAPPERS = ("state_dict", "model", "model_state_dict", "state_dict_ema")  # what checkpoints keep the weights under


def main(arguments: list[str] | None = None) -> None:
    """Reads the command line, and writes the file; one that exists already is not replaced."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a .pth, .pt or .bin file")
    parser.add_argument("target", type=Path, help="the .safetensors file to write")
    options = parser.parse_args(arguments)
    if options.target.exists():
        parser.error(f"{options.target} is there already")
    tensors = convert(options.source, options.target)
    print(f"{options.target} holds {tensors} tensors")


def convert(source: Path, target: Path) -> int:
    """Writes the tensors of a .pth file as float32, integers as they are, and returns their number."""
    import torch
    from safetensors.torch import save_file

    content = torch.load(source, map_location="cpu", weights_only=True)
    while wrapper := next((key for key in WRAPPERS if isinstance(content.get(key), dict)), None):
        content = content[wrapper]
    tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    plain = {
        name: (value.float() if value.is_floating_point() else value).contiguous().clone()
        for name, value in tensors.items()
    }
    save_file(plain, target)
    return len(plain)


if __name__ == "__main__":
    main()
