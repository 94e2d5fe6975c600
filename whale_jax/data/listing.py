"""Our own table of a catalogue, catalogue.csv: a row for each whale on each photo, which `annotations.read` reads."""

import numpy as np

from whale_jax.data.catalogue import Photo

FILE = "catalogue.csv"
COLUMNS = ("Image", "whaleID", "encounter", "date", "bonnet_x", "bonnet_y", "blowhead_x", "blowhead_y")
COLUMNS += ("x", "y", "width", "height", "source")


def cells_of(photo: Photo) -> list[str]:
    """The row of a photo, with empty cells for what is unknown. Its numbers are read back bit for bit."""
    numbers = np.float32([*photo.points.ravel(), *photo.box])
    texts = ["" if np.isnan(number) else np.format_float_positional(number, trim="-") for number in numbers]
    return [photo.file, photo.whale, photo.encounter, photo.date, *texts, photo.places.get("row", "")]
