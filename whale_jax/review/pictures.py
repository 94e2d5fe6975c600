"""The pictures of a review: aligned heads of new photos and of a run's, and whole photos."""

import functools
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from whale_jax.data import images, render
from whale_jax.data.right_whale import Photos
from whale_jax.recognition.live import photo_with
from whale_jax.recognition.query import Run, head_view
from whale_jax.report.heads import head_aspect
from whale_jax.workflow import finished_runs

CACHED = 512  # pictures that are kept in memory


class Format(NamedTuple):
    """How pictures are stored.

    Attributes:
        kind: "JPEG", or "WEBP" of half the bytes and ten times the work.
        quality: of either, up to 100.
        head, reference: width of a new photo's head and of one of the run's, in pixels.
        photo: longer side of a whole photo, in pixels.
    """

    kind: str = "JPEG"
    quality: int = 85
    head: int = 640
    reference: int = 640
    photo: int = 1600


PAGE = Format()


class Pictures:
    """Cuts pictures when they are asked for, and keeps the last ones.

    Attributes:
        pictured: (n,) bool, whether there is a head on each of the new photos.
    """

    def __init__(
        self,
        photos: Photos,
        run: Run,
        *,
        folders: Mapping[str, str],
        cut: Callable[..., images.View] | None = None,
        stored: Format = PAGE,
    ):
        """Opens the views.

        Args:
            photos: the new ones, and those of a gallery.
            run: that was asked about them.
            folders: name of a stage in the run -> the folder of the same of the new photos.
            cut: of a `Recogniser`, for points that a person has moved.
            stored: how pictures are.
        """
        stage = head_view(run.answer, folders)
        self._photos, self._run, self._cut_between, self._stored = photos, run, cut, stored
        self._folder = folders[stage.folder.name]
        self._view, self._run_view = images.load(Path(self._folder)), images.load(stage.folder)
        self._aspect = head_aspect(finished_runs.read(self._folder), self._view)
        self._run_aspect = head_aspect(stage, self._run_view)
        self.pictured = self._view.pictured
        self.head = functools.lru_cache(CACHED)(self._head)
        self.reference = functools.lru_cache(CACHED)(self._reference)

    def _head(self, row: int, points: tuple[float, ...] = ()) -> bytes:
        """The head on a new photo, between points (bonnet x, y, blowhead x, y) in pixels if a person moved them."""
        if not points:
            return self._cut(self._photos, self._view, row, aspect=self._aspect[row], width=self._stored.head)
        corners = np.reshape(points, (2, 2))
        view = self._cut_between(row, corners, folder=self._folder)
        aspect = head_aspect(finished_runs.read(self._folder), view)[0]
        photo = photo_with(self._photos, row, points=corners)
        return self._cut(photo, view, 0, aspect=aspect, width=self._stored.head)

    def _reference(self, number: int) -> bytes:
        """The head on a photo of the run, or, from its number of photos on, of the gallery."""
        width, row = self._stored.reference, number - len(self._run.photos.name)
        if row < 0:
            return self._cut(self._run.photos, self._run_view, number, aspect=self._run_aspect[number], width=width)
        return self._cut(self._photos, self._view, row, aspect=self._aspect[row], width=width)

    def photo(self, row: int) -> bytes:
        """A new photo, all of it, in the pixels of its points."""
        scale = min(1.0, self._stored.photo / self._photos.size[row].max())
        return self._encode(Image.fromarray(render.decode(self._photos.jpeg(row), (scale, scale))))

    def _cut(self, photos: Photos, view: images.View, row: int, *, aspect: float, width: int) -> bytes:
        """The picture of a view in the aspect in which people should see it. Raises KeyError where it has none."""
        if not 0 <= row < len(view.images) or not view.pictured[row]:
            raise KeyError(row)
        height, stored = view.images.shape[1:3]
        pixels = view.images[row]
        if stored < width:  # else it has all that a person will see
            pixels = images.enlarge(photos, view, rows=np.array([row]), height=round(width * height / stored))[0]
        size = width, max(1, round(width / aspect))
        return self._encode(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))

    def _encode(self, picture: Image.Image) -> bytes:
        file = io.BytesIO()
        picture.save(file, self._stored.kind, quality=self._stored.quality)
        return file.getvalue()
