"""A spatial transformer (Jaderberg et al., arXiv:1506.02025), which the post could not make work (section 7.2).

A localization network looks at a small copy of the picture and says where the head is; the head is sampled from the
picture itself, and a classifier follows: one network, which learns as one. Matrices here go from pixels of the crop to
pixels of the picture, the way that sampling needs them, so that no step of the training has to invert one.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from whale_jax import frames, geometry
from whale_jax.models.resnet import ResNet
from whale_jax.models.vgg import VGG
from whale_jax.runtime import errors, registry

KINDS = {"vgg": VGG, "resnet": ResNet}
REACH = 3  # bins around a peak whose mean is the point
NUMBERS = {"similarity": 4, "affine": 6}


class STN(nn.Module):
    """Localization network, sampler, classifier.

    Attributes:
        outputs: length of the output.
        localizer: {"name", ...} of a VGG or ResNet; its head follows from `transform`.
        classifier: the same of the network that names the crop.
        crop: (height, width) of what is sampled.
        shrink: pixels of the picture, a side, that the localizer sees as one.
        transform: what the localizer says: the numbers of a "similarity" or an "affine" matrix, which begin at that of
            the whole picture's width; or the "points" of bonnet and blowhead, the peaks of two score maps, from which
            the similarity follows.
        localizer_grad_scale: share of the classifier's gradient that reaches the localizer.
        dtype: of activations.
    """

    outputs: int
    localizer: Mapping[str, Any]
    classifier: Mapping[str, Any]
    crop: tuple[int, int]
    shrink: int = 4
    transform: str = "similarity"
    localizer_grad_scale: float = 1.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, dict]:
        """(batch, height, width, 3), standardised -> (batch, outputs), and matrix (batch, 3, 3), crop, features.

        Of "points" also scores, (batch, 2, 2, bins): of each point and its x and y, over the picture's width or height.
        """
        small = nn.avg_pool(x, (self.shrink, self.shrink), (self.shrink, self.shrink))
        registry.lookup("transform", {"points": None, **NUMBERS}, self.transform)
        localize = self.by_points if self.transform == "points" else self.by_numbers
        matrix, scores = localize(small, train, size=x.shape[1:3])
        share = self.localizer_grad_scale  # of the gradient that goes on to the localizer
        sampled = share * matrix + (1 - share) * jax.lax.stop_gradient(matrix)
        crop = jax.vmap(lambda image, m: geometry.pull(image, m, size=self.crop))(x, sampled)
        y, out = self.build("classifier", self.classifier, outputs=self.outputs)(crop, train)
        return y, {**out, **scores, "matrix": matrix, "crop": crop}

    def by_numbers(self, small: jax.Array, train: bool, *, size: geometry.Size) -> tuple[jax.Array, dict]:
        """(batch, 3, 3) from what the localizer adds to the identity."""
        localizer = self.build("localizer", self.localizer, outputs=NUMBERS[self.transform], head="still")
        y, _ = localizer(small, train)
        a, b, *_ = columns = jnp.moveaxis(y, -1, 0)
        linear = (a, -b, b, a) if self.transform == "similarity" else columns[:4]
        return geometry.denormalise(jnp.stack([*linear, *columns[-2:]], axis=-1), crop=self.crop, size=size), {}

    def by_points(self, small: jax.Array, train: bool, *, size: geometry.Size) -> tuple[jax.Array, dict]:
        """(batch, 3, 3) that puts bonnet and blowhead, the peaks of two maps, where an aligned head has them."""
        if (height := small.shape[1]) * self.shrink != size[0] or size[0] != size[1]:
            message = f"a localizer of points needs a square picture whose side {self.shrink} divides"
            raise errors.InputError(f"{message}, not {size[0]} x {size[1]} pixels")
        localizer = self.build("localizer", self.localizer, outputs=4 * height, head="heatmap")
        y, _ = localizer(small, train)
        scores = y.reshape(-1, 2, 2, height)
        points = geometry.from_shares(geometry.soft_argmax(scores, reach=REACH), size)
        return geometry.fit_similarity(frames.places(self.crop), points), {"scores": scores}

    def build(self, name: str, spec: Mapping[str, Any], **fixed: Any) -> nn.Module:
        """The network called `name`, of a specification."""
        return registry.build(name, KINDS, spec, dtype=self.dtype, name=name, **fixed)
