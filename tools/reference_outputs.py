"""What timm's networks give for weights and a picture that NumPy alone can draw again; tests keep the numbers.

    python -m tools.reference_outputs tf_efficientnet_lite0 efficientnet_b0 efficientnetv2_rw_m

It needs an environment with torch and timm; the figures in tests/models/test_efficientnet.py are of timm 1.0.31.
"""

import sys
import zlib

import numpy as np

SIZE = (48, 64)  # height and width of the picture, in pixels


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array of float32 that depends on the name of a tensor in timm, and on its shape there, alone.

    Args:
        name: such as "blocks.1.0.bn1.running_var".
        shape: as PyTorch orders it, (out, in, height, width) of a convolution.

    Returns:
        Filters that keep the deviation of what they see, and normalisations that hardly change it.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values = rng.standard_normal(shape)
    if len(shape) > 1:
        values *= np.sqrt(1 / np.prod(shape[1:]))
    elif name.endswith(("running_var", "weight")):
        values = 1 + 0.2 * np.tanh(values)
    else:
        values *= 0.1
    return values.astype(np.float32)


def picture() -> np.ndarray:
    """(1, *SIZE, 3) float32."""
    return np.random.default_rng(0).standard_normal((1, *SIZE, 3)).astype(np.float32)


def outputs(name: str) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of parameters, (features,) averages and (1000,) logits of a network of timm for what is drawn here."""
    import timm
    import torch

    network = timm.create_model(name).eval()
    for key, tensor in network.state_dict().items():
        if tensor.ndim:
            tensor.copy_(torch.from_numpy(draw(key, tuple(tensor.shape))))
    with torch.inference_mode():
        maps = network.forward_features(torch.from_numpy(picture()).permute(0, 3, 1, 2))
        logits = network.forward_head(maps)
    return sum(p.numel() for p in network.parameters()), maps.mean((2, 3))[0].numpy(), logits[0].numpy()


if __name__ == "__main__":
    for network in sys.argv[1:]:
        parameters, features, logits = outputs(network)
        print(network, f"{parameters:,}")
        for values in (features, logits):
            first = ", ".join(f"{value:.6g}" for value in values[:8])
            print(f"    {values.mean():.6g}, {values.std():.6g}, [{first}]")
