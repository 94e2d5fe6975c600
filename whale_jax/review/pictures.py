"""The pictures of a review: aligned heads of new photos and of a run's, and whole photos, as JPEG."""

import functools
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from whale_jax.data import images, render
from whale_jax.data.right_whale import Photos
from whale_jax.recognition.live import Recogniser, photo_with
from whale_jax.recognition.query import head_view
from whale_jax.report.heads import head_aspect
from whale_jax.workflow import finished_runs

WIDTH = 640  # of a head, in pixels
LONGEST = 1600  # side of a whole photo, in pixels
QUALITY = 85
CACHED = 512  # pictures that are kept in memory


class Pictures:
    """Cuts pictures when they are asked for, and keeps the last ones."""

    def __init__(self, recogniser: Recogniser, folders: Mapping[str, str]):
        """Opens the views.

        Args:
            recogniser: of the run and the new photos.
            folders: name of a stage in the run -> the folder of the same of the new photos.
        """
        self._recogniser, run = recogniser, recogniser.run
        stage = head_view(run.answer, folders)
        self._folder = folders[stage.folder.name]
        self._view, self._run_view = images.load(Path(self._folder)), images.load(stage.folder)
        self._aspect = head_aspect(finished_runs.read(self._folder), self._view)
        self._run_aspect = head_aspect(stage, self._run_view)
        self.pictured = self._view.pictured
        self.head = functools.lru_cache(CACHED)(self._head)
        self.reference = functools.lru_cache(CACHED)(self._reference)

    def _head(self, row: int, points: tuple[float, ...] = ()) -> bytes:
        """The head on a new photo, between points (bonnet x, y, blowhead x, y) in pixels if a person moved them."""
        photos = self._recogniser.source.photos
        if not points:
            return self._cut(photos, self._view, row, aspect=self._aspect[row])
        corners = np.reshape(points, (2, 2))
        view = self._recogniser.cut(row, corners, folder=self._folder)
        aspect = head_aspect(finished_runs.read(self._folder), view)[0]
        return self._cut(photo_with(photos, row, points=corners), view, 0, aspect=aspect)

    def _reference(self, number: int) -> bytes:
        """The head on a photo of the run, or, from its number of photos on, of the gallery."""
        run = self._recogniser.run
        if number < len(run.photos.name):
            return self._cut(run.photos, self._run_view, number, aspect=self._run_aspect[number])
        return self._head(number - len(run.photos.name))

    def photo(self, row: int) -> bytes:
        """A new photo, all of it, in the pixels of its points."""
        photos = self._recogniser.source.photos
        scale = min(1.0, LONGEST / photos.size[row].max())
        return encode(Image.fromarray(render.decode(photos.jpeg(row), (scale, scale))))

    @staticmethod
    def _cut(photos: Photos, view: images.View, row: int, *, aspect: float) -> bytes:
        """The picture of a view in the aspect in which people should see it. Raises KeyError where it has none."""
        if not 0 <= row < len(view.images) or not view.pictured[row]:
            raise KeyError(row)
        height, width = view.images.shape[1:3]
        pixels = images.enlarge(photos, view, rows=np.array([row]), height=round(WIDTH * height / width))[0]
        return encode(Image.fromarray(pixels).resize((WIDTH, max(1, round(WIDTH / aspect))), Image.Resampling.LANCZOS))


def encode(picture: Image.Image) -> bytes:
    """A picture as JPEG."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
