"""The work and the communication of a training step, and what they promise on 1 to 64 GPUs.

    python -m benchmarks.scaling              the table on paper, of compiled steps (some minutes)
    python -m benchmarks.scaling --overhead   ms a step on 1 to 8 simulated devices, all of them on these cores

On paper a step takes max(FLOPs / rate, bytes / memory bandwidth) of a GPU's share of the batch, and then its
all-reduces, first among the g GPUs of a host, then among h hosts, each GPU with a g-th of the bytes:

    2 log2(g) latency + 2 (g - 1) / g bytes / bandwidth     of NVLink
    2 log2(h) latency + 2 (h - 1) / h bytes / g / bandwidth of the network

which is the least that trees and rings need; none of it is hidden behind the computation. FLOPs, bytes and all-reduces
are those of the step that XLA compiled here, for the CPU. A GPU fuses otherwise: its bytes are a guess, its FLOPs
and all-reduces are not. Rates, bandwidths and latencies are assumptions, and stand below.
"""

import argparse
import math
import re
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from benchmarks import noise
from benchmarks.embedding import stepping
from configs import classifier
from whale_jax.experiment import build
from whale_jax.train import state as states
from whale_jax.train.parallel import parallel
from whale_jax.train.step import make_train_step

NETWORKS = ("resnet67", "vgg19_192b")
WHALES = 447
COUNTS = (1, 2, 4, 8, 16, 32, 64)
RATE, MEMORY = 0.3 * 989e12, 0.7 * 3.35e12  # an H100: 30 % of its bfloat16 FLOP/s, 70 % of its bytes/s
PER_HOST = 8  # GPUs that NVLink joins


class Link(NamedTuple):
    """A link from GPU to GPU: bytes/s of each GPU, and seconds until the first byte arrives."""

    bandwidth: float
    latency: float


NVLINK = Link(360e9, 2e-6)
LINKS = {"InfiniBand, 400 Gb/s a GPU": Link(45e9, 5e-6), "Ethernet, 25 Gb/s a host": Link(2.8e9 / PER_HOST, 25e-6)}
WIDTHS = {"f32": 4, "bf16": 2, "s32": 4, "u32": 4, "f64": 8, "pred": 1}
COLLECTIVE = re.compile(
    r"= (?P<shapes>.*?) (?P<kind>all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(-start)?\("
)


def collectives(text: str) -> list[tuple[str, int]]:
    """Kind and bytes of each collective operation in a compiled step, as XLA prints it, in order."""
    return [(match["kind"], sum(map(size, shapes(match["shapes"])))) for match in COLLECTIVE.finditer(text)]


def shapes(text: str) -> list[tuple[str, list[int]]]:
    """("f32", [3, 3]) of every array in a type such as "(f32[3,3]{1,0}, f32[])"."""
    arrays = re.findall(r"(\w+)\[([\d,]*)\]", text)
    return [(kind, [int(n) for n in sides.split(",") if n]) for kind, sides in arrays]


def size(shape: tuple[str, list[int]]) -> int:
    """Bytes of an array."""
    return WIDTHS[shape[0]] * math.prod(shape[1])


def compiled(config, devices: int, *, photos: int) -> jax.stages.Compiled:
    """A training step of so many photos on each of so many devices."""
    recipe, layout, count = build.recipe(config, classes=WHALES), parallel("jit", devices), photos * devices
    data = noise.photos(count, tuple(6 * side // 5 for side in config.size), whales=WHALES)
    batch = data.examples[np.arange(count)]
    optimizer = recipe.optimizer(steps=1)
    state = jax.eval_shape(lambda: states.init(recipe.model, optimizer, seed=np.uint32(0), size=recipe.size))
    return layout.train(make_train_step(recipe.model, recipe.task, optimizer=optimizer)).lower(state, batch).compile()


def seconds(flops: float, traffic: float, *, reduced: Sequence[int], count: int, link: Link) -> float:
    """A step on paper.

    Args:
        flops, traffic: work and bytes of memory of one device.
        reduced: bytes of each all-reduce.
        count: of devices.
        link: between hosts.
    """
    work = max(flops / RATE, traffic / MEMORY)
    inside = min(count, PER_HOST)
    for number, size, way in ((inside, sum(reduced), NVLINK), (count // inside, sum(reduced) / inside, link)):
        work += 2 * math.log2(number) * len(reduced) * way.latency + 2 * (number - 1) / number * size / way.bandwidth
    return work


def on_paper(photos: int) -> None:
    """Prints a table: images/s a GPU for every network, link and number of GPUs, at so many photos a GPU."""
    print("| network | GFLOPs, GB, all-reduces (MB) a step | link beyond 8 GPUs |", " | ".join(map(str, COUNTS)), "|")
    print("| --- | --- | --- |", " | ".join(["---:"] * len(COUNTS)), "|")
    for name in NETWORKS:
        config = classifier.get_config(name)
        config.precision = "bfloat16"
        alone, two = (compiled(config, devices, photos=photos) for devices in (1, 2))
        cost, exchanges = alone.cost_analysis(), collectives(two.as_text())
        assert {kind for kind, _ in exchanges} == {"all-reduce"}
        sizes = [size for _, size in exchanges]
        work = cost["flops"], cost["bytes accessed"]
        summary = f"{work[0] / 1e9:.0f}, {work[1] / 1e9:.1f}, {len(sizes)} ({sum(sizes) / 1e6:.1f})"
        for label, link in LINKS.items():
            rates = [photos / seconds(*work, reduced=sizes, count=count, link=link) for count in COUNTS]
            cells = [f"{rates[0]:,.0f}/s", *(f"{rate / rates[0]:.0%}" for rate in rates[1:])]
            print(f"| {name} | {summary} | {label} |", " | ".join(cells), "|")


def overhead(steps: int = 30) -> None:
    """Prints ms a step of the same global batch on 1 to 8 devices that share these cores."""
    config = classifier.get_config("small", size=(32, 64))
    config.batch = 64
    base = None
    for devices in (1, 2, 4, 8):
        config.devices = devices
        step, times = stepping(config), []
        for _ in range(steps):
            began = time.perf_counter()
            jax.block_until_ready(step())
            times.append(time.perf_counter() - began)
        middle = statistics.median(times[2:])
        base = base or middle
        print(f"{devices} devices: {1e3 * middle:6.1f} ms a step, {middle / base:.2f} of one device's")


def main() -> None:
    """Command line entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--overhead", action="store_true", help="time steps on simulated devices")
    parser.add_argument("--photos", type=int, default=32, help="of each GPU in a step")
    flags = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", 8)
    overhead() if flags.overhead else on_paper(flags.photos)


if __name__ == "__main__":
    main()
