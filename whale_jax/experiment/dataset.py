"""What a network is trained on and applied to: photos, their split and a view of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from whale_jax import augment, geometry
from whale_jax.data import images, loader, right_whale, splits
from whale_jax.runtime import errors


class Data(NamedTuple):
    """Photos with their pictures.

    Attributes:
        photos: N photos.
        split: theirs; None where a network is only applied to them.
        view: their pictures, as they are stored.
        examples: row -> example.
    """

    photos: right_whale.Photos
    split: splits.Split | None
    view: images.View
    examples: loader.Examples

    @property
    def stored_size(self) -> geometry.Size:
        """(height, width) of the view's pictures, in pixels."""
        return self.view.images.shape[1:3]


def load(inputs: Mapping[str, str]) -> Data:
    """The data in the folders that a config's `inputs` calls photos, split and view."""
    photos = right_whale.load(Path(inputs["photos"]))
    split = splits.load(Path(inputs["split"]), photos)
    return join(photos, images.load(Path(inputs["view"])), split=split)


def other(photos: Path, view: Path) -> Data:
    """The data of photos that a network was not trained on; their names, which may be of other whales, are left out."""
    return join(right_whale.unlabelled(right_whale.load(photos)), images.load(view), split=None)


def join(photos: right_whale.Photos, view: images.View, *, split: splits.Split | None) -> Data:
    """Photos with the pictures that a view has of them. Without a split, a network can only be applied to them."""
    return Data(photos, split, view, loader.Examples(photos, view))


def expect_sharp(
    stored_size: geometry.Size, *, training: Mapping[str, Any], tta: Mapping[str, Sequence[float]] | None = None
) -> None:
    """Raises InputError where a view has more pixels than a network can sample without loss.

    A shear adds a few percent, which are left out.

    Args:
        stored_size: (height, width) of the view's pictures.
        training: its config, whose augmentation may shrink pictures on their way to the network's `size`.
        tta: warps of test-time augmentation, which may do so too.
    """
    size, augmentation = training["size"], training["task"].get("augmentation", "")
    smallest = min([augment.least_scale(augment.parse(augmentation)), *(tta or {}).get("scale", ())])
    reduction = max(pixels / sampled for pixels, sampled in zip(stored_size, size, strict=True)) / smallest
    if reduction > geometry.SHARP:
        height, width = (int(pixels * geometry.SHARP / reduction) for pixels in stored_size)
        raise errors.InputError(
            f"a view of {stored_size[0]} x {stored_size[1]} pixels is sampled down {reduction:.2f} times to config.size"
            f" = {tuple(size)} where the scale is least ({smallest:g}), and above {geometry.SHARP:g} pixels are passed"
            f" over: cut a view of at most {height} x {width}, or let the augmentation shrink less"
        )
