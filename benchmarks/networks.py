"""Images a second of whole networks, in training and in inference, with the processor time of each image.

    python -m benchmarks.networks [--networks=resnet67,crops] [--rounds=5] [--seconds=4] [--nohuge_pages]

A training step is what a stage runs: augmentation, network, loss, gradient, optimiser, on a batch that lies on the
devices already, one device a core. The last line is JSON: images/s of both by the median and by the best round, ms of
processor time and page faults an image, and seconds that the training step takes to compile.
"""

import sys

if __name__ == "__main__":  # before what takes seconds to import
    from whale_jax.runtime import pages

    pages.arrange(sys.argv[1:])

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks import noise
from configs import classifier
from whale_jax.experiment import build
from whale_jax.models import MODELS
from whale_jax.runtime import pages, threads

WHALES = 447
LITE0 = {"name": "efficientnet", "variant": "lite0", "dropout": 0.2}
NETWORKS = {
    "resnet67": ("resnet67", {"size": (128, 128), "batch": 32}),
    "vgg19_192b": ("vgg19_192b", {"size": (128, 128), "batch": 32}),
    "crops": ("crops", {}),
    "efficientnet_lite0": ("crops", {"model": LITE0, "size": (96, 192), "batch": 32}),
}


def main() -> None:
    """Prints a line a network, and then all of them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=",".join(NETWORKS), help="names, with commas")
    parser.add_argument("--rounds", type=int, default=5, help="of training and of inference, in turn")
    parser.add_argument("--seconds", type=float, default=4.0, help="a round")
    parser.add_argument("--nohuge_pages", action="store_true", help="leaves memory as the system gives it")
    flags = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", threads.cores())
    jax.config.update("jax_enable_compilation_cache", False)  # every compilation is a first one
    print(f"{jax.device_count()} x {jax.devices()[0].device_kind}, JAX {jax.__version__}, huge pages: {pages.used()}")
    results = {}
    for name in flags.networks.split(","):
        preset, changes = NETWORKS[name]
        if changes.get("model", LITE0)["name"] not in MODELS:
            print(f"{name}: there is no model {changes['model']['name']!r}")
            continue
        results[name] = measure(classifier.get_config(preset, **changes), rounds=flags.rounds, seconds=flags.seconds)
        print(name, json.dumps(results[name]), flush=True)
    print(json.dumps(results))


def measure(config: Any, *, rounds: int, seconds: float) -> dict[str, float]:
    """Rates and costs of a config's network; see the keys in `summary`."""
    network = build.network(build.recipe(config, classes=WHALES))
    data = noise.photos(config.batch, tuple(side * 9 // 8 for side in config.size), whales=WHALES)
    batch = network.parallel.put_batch(data.examples[np.arange(config.batch)])
    state = network.parallel.put_state(network.state)
    began = time.perf_counter()
    train = network.train.lower(state, batch).compile()
    compiled = time.perf_counter() - began
    evaluate = network.evaluate.lower(state, batch).compile()

    def step() -> Any:
        nonlocal state
        state, metrics = train(state, batch)
        return metrics

    def infer() -> Any:
        return evaluate(state, batch)

    work = {"train": step, "infer": infer}
    times: dict[str, list[tuple[float, float, float]]] = {name: [] for name in work}
    for turn in range(rounds + 1):  # the first warms up
        for name, function in work.items():
            values = timed(function, seconds if turn else min(seconds, 1.0))
            times[name] += [values] * bool(turn)
    return {**summary(times, batch=config.batch), "compile_s": round(compiled, 1)}


def timed(function: Callable[[], Any], seconds: float) -> tuple[float, float, float]:
    """Seconds, seconds of processor time, and page faults, of a call of `function`, over about so many seconds."""
    began, used, count = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF), 0
    while not count or time.perf_counter() - began < seconds:
        jax.block_until_ready(function())
        count += 1
    passed, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return passed / count, processor / count, (after.ru_minflt - used.ru_minflt) / count


def summary(times: dict[str, list[tuple[float, float, float]]], *, batch: int) -> dict[str, float]:
    """Of each kind of work: images/s by the median and by the best round, ms of processor and faults an image."""
    result: dict[str, float] = {}
    for name, rounds in times.items():
        seconds, processor, faults = zip(*rounds, strict=True)
        result |= {
            name: round(batch / statistics.median(seconds), 1),
            f"{name}_best": round(batch / min(seconds), 1),
            f"{name}_cpu_ms": round(1e3 * statistics.median(processor) / batch, 2),
            f"{name}_faults": round(statistics.median(faults) / batch),
        }
    return result


if __name__ == "__main__":
    main()
