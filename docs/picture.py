"""Makes the pictures of the documents, all of drawn whales.

    python -m docs.picture              docs/heads.jpg, at the top of README.md
    python -m docs.picture runs/demo    docs/demo_*.jpg too, from the report of a finished demo

docs/review*.jpg are of the page that configs/review.py:runs/demo opens, in a window of 1280 x 800 pixels.

The top picture shows photos of the demo's pod above the same heads, aligned: two sightings of one whale, and one of
each of two others. The points are the drawn whales' own; nothing is trained for it.
"""

import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageDraw

from whale_jax import frames, geometry
from whale_jax.data import drawing, synthetic

PHOTO, HEAD, GAP = (640, 427), (160, 320), 6  # (width, height) of a photo, (height, width) of a head, pixels between
DOCS = Path(__file__).parent
REPORT = ("likeliest", "points_third", "curves_classifiers")  # what the documents show of the demo's report
LARGEST = 1400  # pixels across
COLOURS = {"bonnet": (255, 213, 79), "blowhead": (79, 195, 247)}


def main() -> None:
    """Writes the pictures."""
    if sys.argv[1:]:
        convert(Path(sys.argv[1]) / "report")
    columns = [column(shot) for shot in shots()]
    width, height = columns[0].size
    sheet = Image.new("RGB", (len(columns) * (width + GAP) - GAP, height), "white")
    for index, picture in enumerate(columns):
        sheet.paste(picture, (index * (width + GAP), 0))
    sheet.save(DOCS / "heads.jpg", quality=82, optimize=True)


def convert(report: Path) -> None:
    """Writes pictures of a demo's report into docs, smaller."""
    for name in REPORT:
        picture = Image.open(report / f"{name}.png").convert("RGB")
        picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
        picture.save(DOCS / f"demo_{name}.jpg", quality=85, optimize=True)


def shots() -> list[drawing.Shot]:
    """Two photos of the whale that was photographed most, hours apart, and one of each of the next two whales."""
    _, train, _ = synthetic.roster(0, whales=24, photos=320, test=60)
    alone = [shot for shot in train if shot.name == shot.moment]
    first, second, third = np.argsort(-np.bincount([shot.whale for shot in alone]))[:3]
    return [
        *[shot for shot in alone if shot.whale == first][:2],
        *[next(shot for shot in alone if shot.whale == whale) for whale in (second, third)],
    ]


def column(shot: drawing.Shot) -> Image.Image:
    """A photo with its two points, above its aligned head."""
    photo, points = drawing.photograph(0, shot, width=PHOTO[0])
    matrix = frames.head(jnp.asarray(points[None]), HEAD)[0]
    pixels = geometry.warp(jnp.asarray(photo, jnp.float32), matrix, size=HEAD)
    head = Image.fromarray(np.asarray(pixels.clip(0, 255)).round().astype(np.uint8))
    pen = ImageDraw.Draw(photo)
    for (x, y), colour in zip(points, COLOURS.values(), strict=True):
        pen.ellipse((x - 7, y - 7, x + 7, y + 7), outline=colour, width=4)
    width = HEAD[1]
    above = photo.resize((width, round(photo.height * width / photo.width)))
    picture = Image.new("RGB", (width, above.height + GAP + head.height), "white")
    picture.paste(above, (0, 0))
    picture.paste(head, (0, above.height + GAP))
    return picture


if __name__ == "__main__":
    main()
