"""Speed and memory of the import, against Pillow's draft decoding alone on as many threads.

    python -m benchmarks.import_photos                  # 1,500 drawn photos of 3072x2048; the dataset takes 2.3 GB
    python -m benchmarks.import_photos --root=FOLDER    # a folder of your own

docs/performance.md has the figures.
"""

import argparse
import io
import os
import resource
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from whale_jax.data import annotations, right_whale


def main() -> None:
    """Times decoding and import in turn, and prints photos/s of each and the peak of resident memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="a folder of photos; without it, some are drawn")
    parser.add_argument("--photos", type=int, default=1500, help="how many to draw")
    parser.add_argument("--scratch", help="folder for the drawn photos and the dataset, which are deleted at the end")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        root = Path(arguments.root or draw(Path(scratch) / "photos", arguments.photos))
        catalogue = annotations.read(root)
        paths = [photo.file_size for photo in catalogue.photos]
        print(f"{len(paths)} photos of {np.mean(paths) / 1e6:.2f} MB, {os.cpu_count()} cores")
        rates: dict[str, list[float]] = {"decoding": [], "import": []}
        dataset = Path(scratch) / "dataset"
        for _ in range(arguments.rounds):
            rates["decoding"].append(rate(lambda: decode_all(catalogue), len(paths)))
            rates["import"].append(rate(lambda: right_whale.build(catalogue, dataset), len(paths)))
            shutil.rmtree(dataset)  # a cache of the disk that grows forever slows a virtual machine: its memory is new
            print(" ".join(f"{name} {values[-1]:.0f} photos/s" for name, values in rates.items()))
        decoding, importing = (statistics.median(values) for values in rates.values())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"import at {importing / decoding:.0%} of decoding; peak resident memory {peak:.2f} GiB")


def rate(work, count: int) -> float:
    """Items per second of a call of `work` that handles `count` of them."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def decode_all(catalogue: annotations.Catalogue) -> None:
    """Decodes all photos in draft mode, at an eighth of their size, and does nothing else."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda photo: draft(catalogue.read_bytes(photo.name)), catalogue.photos))


def draft(jpeg: bytes) -> tuple[int, int]:
    """Decodes a photo at an eighth of its size."""
    image = Image.open(io.BytesIO(jpeg))
    image.draft("RGB", (1, 1))
    image.load()
    return image.size


def draw(folder: Path, photos: int) -> Path:
    """Noisy sea of 3072x2048 in JPEGs of about 1.6 MB: twenty different ones, again and again."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:2048, :3072]
    for i in range(photos):
        path = folder / f"w_{i}.jpg"
        if i < 20:
            waves = 90 + 30 * np.sin(x / (9 + i)) * np.cos(y / (5 + i)) + rng.normal(0, 12, x.shape)
            Image.fromarray(np.stack([waves - 40, waves, waves + 30], axis=-1).clip(0, 255).astype(np.uint8)).save(path)
        else:
            path.hardlink_to(folder / f"w_{i % 20}.jpg")
    return folder


if __name__ == "__main__":
    main()
