"""What `benchmarks.networks` measures, of the same networks in PyTorch, in an environment of its own.

    PYTHON_WITH_TORCH benchmarks/peers.py [--networks=resnet67,crops] [--rounds=5] [--seconds=4] [--channels_last]

Nothing of this repository is imported, and the repository does not need PyTorch. Layers and optimisers are those of
configs/post.py and configs/classifier.py. Pictures are noise, and nothing augments them. EfficientNet-Lite0 is timm's.
"""

import argparse
import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

WHALES = 447
RESNET67 = ("resnet", ((48, 3), (64, 4), (80, 23), (128, 3)), 0.8)
VGG19 = ("vgg", ((48, 3), (64, 3), (96, 4), (128, 4), (192, 4)), 0.8)
CROPS = ("resnet", ((48, 2), (96, 2), (192, 2)), 0.5)
# (kind, stages, dropout), (height, width), batch, optimiser
NETWORKS = {
    "resnet67": (RESNET67, (128, 128), 32, lambda p: torch.optim.Adam(p, 1e-3)),
    "vgg19_192b": (VGG19, (128, 128), 32, lambda p: torch.optim.SGD(p, 1e-2, momentum=0.9, nesterov=True)),
    "crops": (CROPS, (80, 160), 64, lambda p: torch.optim.AdamW(p, 1e-3, weight_decay=0.02)),
    "efficientnet_lite0": (("lite0", (), 0.2), (96, 192), 32, lambda p: torch.optim.AdamW(p, 1e-3, weight_decay=0.02)),
}


class Block(nn.Module):
    """Two 3x3 convolutions, the shortcut, and the very leaky rectifier."""

    def __init__(self, inputs: int, outputs: int, *, stride: int):
        super().__init__()
        self.first, self.second = (
            conv(inputs, outputs, side=3, stride=stride),
            conv(outputs, outputs, side=3, stride=1)[:2],
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv(inputs, outputs, side=1, stride=stride)[:2]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, inputs, height, width) -> (batch, outputs, height / stride, width / stride)."""
        return nn.functional.leaky_relu(self.second(self.first(x)) + self.shortcut(x), 1 / 3)


def conv(inputs: int, outputs: int, *, side: int, stride: int) -> nn.Sequential:
    """Convolution, batch normalisation and the very leaky rectifier."""
    layer = nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs, eps=1e-4), nn.LeakyReLU(1 / 3, inplace=True))


def build(kind: str, stages: tuple[tuple[int, int], ...], *, dropout: float) -> nn.Module:
    """A network of NETWORKS."""
    if kind == "lite0":
        import timm

        return timm.create_model("efficientnet_lite0", pretrained=False, num_classes=WHALES, drop_rate=dropout)
    layers, width = [conv(3, 32, side=7, stride=2)], 32
    if kind == "resnet":
        layers.append(nn.MaxPool2d(3, 2, 1))
    for i, (features, count) in enumerate(stages):
        for j in range(count):
            stride = 2 if i and not j else 1
            residual = kind == "resnet"
            layers.append(
                Block(width, features, stride=stride) if residual else conv(width, features, side=3, stride=stride)
            )
            width = features
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(width, WHALES))
    return nn.Sequential(*layers, *head)


def measure(name: str, *, rounds: int, seconds: float, channels_last: bool) -> dict[str, float]:
    """Images/s by the median and by the best round, and ms of processor time an image, of training and inference."""
    spec, size, batch, make = NETWORKS[name]
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = build(*spec[:2], dropout=spec[2]).to(memory_format=layout)
    optimizer = make(network.parameters())
    pictures = torch.randn(batch, 3, *size).contiguous(memory_format=layout)
    labels = torch.randint(WHALES, (batch,))

    def train() -> None:
        network.train()
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(network(pictures), labels).backward()
        optimizer.step()

    def infer() -> None:
        network.eval()
        with torch.inference_mode():
            network(pictures)

    result: dict[str, float] = {}
    times: dict[str, list[tuple[float, float]]] = {"train": [], "infer": []}
    for turn in range(rounds + 1):  # the first warms up
        for label, function in (("train", train), ("infer", infer)):
            values = timed(function, seconds if turn else min(seconds, 1.0))
            times[label] += [values] * bool(turn)
    for label, values in times.items():
        wall, processor = zip(*values, strict=True)
        result |= {
            label: round(batch / statistics.median(wall), 1),
            f"{label}_best": round(batch / min(wall), 1),
            f"{label}_cpu_ms": round(1e3 * statistics.median(processor) / batch, 2),
        }
    return result


def timed(function: Callable[[], Any], seconds: float) -> tuple[float, float]:
    """Seconds and seconds of processor time of a call of `function`, over about so many seconds."""
    began, before, count = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF), 0
    while not count or time.perf_counter() - began < seconds:
        function()
        count += 1
    after = resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (time.perf_counter() - began) / count, processor / count


def main() -> None:
    """Prints a line a network, and then all of them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=",".join(NETWORKS), help="names, with commas")
    parser.add_argument("--rounds", type=int, default=5, help="of training and of inference, in turn")
    parser.add_argument("--seconds", type=float, default=4.0, help="a round")
    parser.add_argument("--channels_last", action="store_true", help="pictures as (batch, height, width, channels)")
    flags = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    results = {}
    for name in flags.networks.split(","):
        options = {"rounds": flags.rounds, "seconds": flags.seconds, "channels_last": flags.channels_last}
        results[name] = measure(name, **options)
        print(name, json.dumps(results[name]), flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
