"""The cost of features, occlusion maps and test-time augmentation beside plain inference, and of a stack.

    python -m benchmarks.inference [--photos=512] [--repeat=3]

The bar is 80 % of the rate of the compiled step on a batch that lies on the devices already, and 60 s for the
regressions on 896 features of 4,543 photos of 447 whales.

docs/performance.md has the figures.
"""

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable

import jax
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import noise
from configs import classifier
from whale_jax.data import loader
from whale_jax.evaluation import attribution
from whale_jax.experiment import build, prediction
from whale_jax.experiment.build import Network
from whale_jax.experiment.dataset import Data
from whale_jax.experiment.prediction import TTA
from whale_jax.programs import saliency, stack

WHALES, VIEW, BATCH = 447, (96, 192), 64
WARPS = {"rotate": (-10, 0, 10, 20), "flip_ud": (0, 1)}


def main() -> None:
    """Prints images/s of each, and the share of plain inference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=3, help="rounds")
    flags = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    network = build.network(build.recipe(classifier.get_config("small", batch=BATCH), classes=WHALES))
    network = network._replace(state=network.parallel.put_state(network.state))
    data = noise.photos(flags.photos, VIEW, whales=WHALES)
    work = {"plain": plain, "features": features, "occlusion": occlusion, "8 warps": warps}
    rates: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(flags.repeat + 1):  # the first compiles
        for name, function in work.items():
            began = time.perf_counter()
            count = function(network, data)
            if turn:
                rates[name].append(count / (time.perf_counter() - began))
    for name, values in rates.items():
        share = statistics.median(rate / base for rate, base in zip(values, rates["plain"], strict=True))
        print(f"{name:9} {statistics.median(values):6.0f} images/s, {share:.0%} of plain inference")
    print(f"stack of 4,543 x 896: {timed(regression):.0f} s")


def plain(network: Network, data: Data) -> int:
    """The compiled step alone, on one batch."""
    batch = network.parallel.put_batch(next(loader.evaluation(data.examples, np.arange(BATCH), batch=BATCH)))
    steps = len(data.photos.name) // BATCH
    jax.block_until_ready([network.evaluate(network.state, batch) for _ in range(steps)])
    return steps * BATCH


def features(network: Network, data: Data) -> int:
    """Predictions for all photos, as by `extract`."""
    prediction.predict(network, data, rows=np.arange(len(data.photos.name)), batch=BATCH)
    return len(data.photos.name)


def occlusion(network: Network, data: Data) -> int:
    """Occlusion maps, as by `saliency`, without its gradients."""
    boxes = attribution.windows(VIEW, side=saliency.DEFAULTS["side"], step=saliency.DEFAULTS["step"])
    rows = range(max(1, len(data.photos.name) // len(boxes)))
    for row in rows:
        saliency.explain(network, data, row=row, boxes=boxes, gradients=lambda row: None, batch=BATCH)
    return len(rows) * (len(boxes) + 1)


def warps(network: Network, data: Data) -> int:
    """Predictions by test-time augmentation, as by `crossfit`."""
    count = math.prod(map(len, WARPS.values()))
    rows = np.arange(max(BATCH, len(data.photos.name) // count))
    prediction.predict_augmented(network, data, rows=rows, batch=BATCH, augmentation=TTA(WARPS))
    return len(rows) * count


def regression() -> None:
    """The regressions of a stack, on features that tell whales apart about as badly as those of our networks."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, WHALES, 4543)
    features = rng.normal(size=(4543, 896)) + 0.1 * rng.normal(size=(WHALES, 896))[label]
    for c in stack.DEFAULTS["C"]:
        model = LogisticRegression(C=c, max_iter=stack.DEFAULTS["iterations"])
        make_pipeline(StandardScaler(), model).fit(features, label)


def timed(work: Callable[[], None]) -> float:
    """The seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
