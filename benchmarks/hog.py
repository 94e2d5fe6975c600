"""Whales named by their nearest head, by HOG of ready crops: a baseline in which nothing is trained.

    python -m benchmarks.hog --run=runs/crops

The run is one of configs/crops.py, or its first two stages. Gradients in 9 bins, cells of 8 x 8 pixels, blocks of 2 x 2
cells, on grey heads of 64 x 128 pixels (Dalal and Triggs, 2005); the nearest by cosine.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from whale_jax.data import images, right_whale, splits
from whale_jax.evaluation import retrieval
from whale_jax.recognition.descriptors import hog


def main() -> None:
    """Prints top-1 and top-5 of the fold held out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--split", default="split", help="the name of the stage that made the split")
    parser.add_argument("--fold", type=int, default=0)
    arguments = parser.parse_args()
    photos = right_whale.load(arguments.run / "photos")
    split = splits.load(arguments.run / arguments.split, photos)
    gallery, queries = splits.train_rows(split, arguments.fold), splits.valid_rows(split, arguments.fold)
    heads = [np.stack([describe(photos.jpeg(row)) for row in rows]) for rows in (gallery, queries)]
    score = retrieval.by_photo(heads[0], label=photos.label[gallery], whales=len(photos.whales))
    scores = score(heads[1])
    rank = (scores > scores[np.arange(len(queries)), photos.label[queries]][:, None]).sum(1)
    print(f"{len(queries)} heads held out: top-1 {(rank < 1).mean():.1%}, top-5 {(rank < 5).mean():.1%}")


def describe(jpeg: bytes) -> np.ndarray:
    """(3780,) HOG of one head."""
    picture = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
    return hog(images.grey(picture, (64, 128)))


if __name__ == "__main__":
    main()
