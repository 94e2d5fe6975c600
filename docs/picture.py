"""Draws docs/heads.jpg, the picture at the top of README.md: drawn photos, and the same heads turned upright.

    python -m docs.picture

The photos are of the demo's pod: two sightings of one whale, and one of each of two others. The points are the drawn
whales' own; nothing is trained here.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageDraw

from whale_jax import frames, geometry
from whale_jax.data import drawing, synthetic

PHOTO, HEAD, GAP = (640, 427), (160, 320), 6  # (width, height) of a photo, (height, width) of a head, pixels between
COLOURS = {"bonnet": (255, 213, 79), "blowhead": (79, 195, 247)}


def main() -> None:
    """Writes the picture."""
    columns = [column(shot) for shot in shots()]
    width, height = columns[0].size
    sheet = Image.new("RGB", (len(columns) * (width + GAP) - GAP, height), "white")
    for index, picture in enumerate(columns):
        sheet.paste(picture, (index * (width + GAP), 0))
    sheet.save(Path(__file__).with_name("heads.jpg"), quality=82, optimize=True)


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
    pixels = geometry.warp(jnp.asarray(photo, jnp.float32), matrix, HEAD)
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
