"""3x3 affine algebra on points, boxes and pixels.

Points are (..., 2) as (x, y) in pixels: x to the right, y down, (0, 0) the centre of the top-left
pixel. A matrix takes *input* coordinates to *output* coordinates and moves points by multiplication
and pixels by `warp`, which inverts it. Sizes are (height, width), as arrays are. A box is (..., 4) as
(x, y, width, height), its x and y those of its left and top edge. All angles are in radians; a
positive one turns x towards y, which on a screen is clockwise.
"""

import jax
import jax.numpy as jnp

Size = tuple[int, int]

SHARP = 2.0  # pixels of an image for one of the result, a side: `warp` passes over some where there are more


def compose(*matrices: jax.Array) -> jax.Array:
    """One (..., 3, 3) matrix that does all of `matrices`, in the order given."""
    total = matrices[0]
    for matrix in matrices[1:]:
        total = jnp.matmul(matrix, total, precision="highest")
    return total


def invert(matrix: jax.Array) -> jax.Array:
    """(..., 3, 3) inverse of affine matrices, in closed form. A singular one gives inf or NaN."""
    (a, b, tx), (d, e, ty) = (jnp.moveaxis(matrix[..., row, :], -1, 0) for row in (0, 1))
    determinant = a * e - b * d
    ia, ib, id_, ie = e / determinant, -b / determinant, -d / determinant, a / determinant
    return affine(ia, ib, -(ia * tx + ib * ty), id_, ie, -(id_ * tx + ie * ty))


def affine(a, b, tx, d, e, ty) -> jax.Array:
    """(..., 3, 3) matrix with first rows (a, b, tx) and (d, e, ty); arguments broadcast."""
    entries = jnp.broadcast_arrays(*(jnp.asarray(v, jnp.float32) for v in (a, b, tx, d, e, ty, 0, 0, 1)))
    return jnp.stack(entries, axis=-1).reshape(*entries[0].shape, 3, 3)


def translation(x, y) -> jax.Array:
    """(..., 3, 3) matrix that adds (x, y) pixels."""
    return affine(1, 0, x, 0, 1, y)


def scaling(x, y) -> jax.Array:
    """(..., 3, 3) matrix that multiplies coordinates by x and y. A factor of -1 mirrors."""
    return affine(x, 0, 0, 0, y, 0)


def rotation(angle) -> jax.Array:
    """(..., 3, 3) matrix that turns about the origin by `angle` radians, x towards y."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return affine(cos, -sin, 0, sin, cos, 0)


def shear(angle) -> jax.Array:
    """(..., 3, 3) matrix that slants the y axis by `angle` radians: scikit-image's AffineTransform, up to the sign."""
    return affine(1, jnp.tan(angle), 0, 0, 1, 0)


def about(matrix: jax.Array, centre: jax.Array) -> jax.Array:
    """(..., 3, 3) `matrix` about the (..., 2) point `centre`, in pixels, instead of the origin."""
    x, y = centre[..., 0], centre[..., 1]
    return compose(translation(-x, -y), matrix, translation(x, y))


def middle(size: Size) -> jax.Array:
    """(2,) the centre of an image of `size`."""
    return jnp.array([(size[1] - 1) / 2, (size[0] - 1) / 2], jnp.float32)


def shares(points: jax.Array, size: Size) -> jax.Array:
    """(..., 2) x and y in pixels -> the same as shares of width and height, 0 and 1 at the image's outer edges."""
    return (points + 0.5) / jnp.array(size[::-1], jnp.float32)


def from_shares(places: jax.Array, size: Size) -> jax.Array:
    """(..., 2) shares of width and height -> x and y in pixels."""
    return places * jnp.array(size[::-1], jnp.float32) - 0.5


def resize(source, target: Size) -> jax.Array:
    """Stretches an image of size `source` onto size `target`, outer edge onto outer edge.

    Args:
        source: (height, width), numbers or arrays of one shape.
        target: (height, width).

    Returns:
        (..., 3, 3) matrix. Pixel centres are at integers, hence the half pixel.
    """
    y, x = target[0] / jnp.asarray(source[0]), target[1] / jnp.asarray(source[1])
    return affine(x, 0, (x - 1) / 2, 0, y, (y - 1) / 2)


def fit_similarity(source: jax.Array, target: jax.Array) -> jax.Array:
    """The rotation, uniform scale and translation that take two points onto two others.

    Args:
        source: (..., 2, 2) two points as (x, y), in pixels.
        target: (..., 2, 2) where they should land, in pixels.

    Returns:
        (..., 3, 3) matrix from source to target coordinates. Two equal source points give NaN or inf.
    """
    # A complex number is a rotation and a scale at once: z_target = a * z_source + b.
    zs, zt = (p[..., 0] + 1j * p[..., 1] for p in (jnp.asarray(source), jnp.asarray(target)))
    a = (zt[..., 1] - zt[..., 0]) / (zs[..., 1] - zs[..., 0])
    b = zt[..., 0] - a * zs[..., 0]
    return affine(a.real, -a.imag, b.real, a.imag, a.real, b.imag)


def denormalise(numbers: jax.Array, *, crop: Size, size: Size) -> jax.Array:
    """(..., 3, 3) matrices from pixels of a crop to pixels of a picture.

    Args:
        numbers: (..., 6): what is added to the four entries of the identity, row by row, which stretches the crop over
            the width of the picture; and the shift of the middle, in halves of that width. Zeros are the identity.
        crop, size: (height, width) of crop and picture.
    """
    a, b, d, e, x, y = jnp.moveaxis(numbers, -1, 0)
    stretch, half = size[1] / crop[1], size[1] / 2
    linear = affine(stretch * (1 + a), stretch * b, 0, stretch * d, stretch * (1 + e), 0)
    (from_x, from_y), (to_x, to_y) = middle(crop), middle(size)
    return compose(translation(-from_x, -from_y), linear, translation(to_x + half * x, to_y + half * y))


def normalise(matrix: jax.Array, *, crop: Size, size: Size) -> jax.Array:
    """(..., 6) numbers of (..., 3, 3) matrices: the inverse of `denormalise`."""
    linear = matrix[..., :2, :2] * (crop[1] / size[1]) - jnp.eye(2)
    moved = move_points(matrix, middle(crop)[None])[..., 0, :]
    shift = (moved - middle(size)) / (size[1] / 2)
    return jnp.concatenate([linear.reshape(*linear.shape[:-2], 4), shift], axis=-1)


def move_points(matrix: jax.Array, points: jax.Array) -> jax.Array:
    """(..., n, 2) points in pixels, moved by (..., 3, 3) matrices."""
    linear = jnp.einsum("...ij,...nj->...ni", matrix[..., :2, :2], points, precision="highest")
    return linear + matrix[..., None, :2, 2]


def corners(box: jax.Array) -> jax.Array:
    """(..., 4, 2) the corners of (..., 4) boxes, around the rim, in pixels."""
    x, y, width, height = jnp.moveaxis(jnp.asarray(box), -1, 0)
    xs = jnp.stack([x, x + width, x + width, x], axis=-1)
    ys = jnp.stack([y, y, y + height, y + height], axis=-1)
    return jnp.stack([xs, ys], axis=-1)


def bounding_box(points: jax.Array) -> jax.Array:
    """(..., 4) the smallest upright box around (..., n, 2) points, in pixels."""
    low, high = points.min(-2), points.max(-2)
    return jnp.concatenate([low, high - low], axis=-1)


def move_box(matrix: jax.Array, box: jax.Array) -> jax.Array:
    """(..., 4) the upright box around the moved corners of a (..., 4) box, in pixels."""
    return bounding_box(move_points(matrix, corners(box)))


def move_box_by_mask(matrix: jax.Array, box: jax.Array, *, source: Size, target: Size) -> jax.Array:
    """A box moved as the post did: its mask is warped like an image, and the extent of that is taken.

    Unlike `move_box` it is cut at the rim of the picture and ignores parts of a pixel.

    Args:
        matrix: (3, 3) from source to target pixels.
        box: (4,) in source pixels.
        source: (height, width) of the image that the box lies in.
        target: (height, width) of the warped image.

    Returns:
        (4,) in target pixels; zeros where nothing of the box is left.
    """
    x, y, width, height = box
    ys, xs = jnp.mgrid[: source[0], : source[1]]
    mask = (xs >= x - 0.5) & (xs <= x + width + 0.5) & (ys >= y - 0.5) & (ys <= y + height + 0.5)
    moved = warp(mask[..., None].astype(jnp.float32), matrix, size=target, fill=0.0)[..., 0] >= 0.5
    (x0, x1), (y0, y1) = (_extent(moved.any(axis)) for axis in (0, 1))
    return jnp.where(moved.any(), jnp.stack([x0, y0, x1 - x0, y1 - y0]), 0).astype(jnp.float32)


def _extent(line: jax.Array) -> tuple[jax.Array, jax.Array]:
    """First and last index at which a (n,) boolean line is true."""
    return jnp.argmax(line), len(line) - 1 - jnp.argmax(line[::-1])


def iou(a: jax.Array, b: jax.Array) -> jax.Array:
    """(...,) area of the intersection of two (..., 4) boxes over that of their union."""
    low = jnp.maximum(a[..., :2], b[..., :2])
    high = jnp.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    shared = jnp.prod(jnp.maximum(high - low, 0), axis=-1)
    total = jnp.prod(a[..., 2:], axis=-1) + jnp.prod(b[..., 2:], axis=-1) - shared
    return shared / jnp.maximum(total, 1e-9)


def giou(a: jax.Array, b: jax.Array) -> jax.Array:
    """(...,) IoU less the empty share of the box around both, -1..1 (Rezatofighi et al., arXiv:1902.09630).

    The IoU of boxes that do not touch is 0 at any distance; the generalised one falls with it.
    """
    low, high = jnp.minimum(a[..., :2], b[..., :2]), jnp.maximum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    around = jnp.prod(high - low, axis=-1)
    overlap = iou(a, b)
    union = (jnp.prod(a[..., 2:], axis=-1) + jnp.prod(b[..., 2:], axis=-1)) / (1 + overlap)
    return overlap - (around - union) / jnp.maximum(around, 1e-9)


def warp(image: jax.Array, matrix: jax.Array, *, size: Size, fill: float | None = None) -> jax.Array:
    """Moves the pixels of an image by a matrix: the pixel at p comes to matrix @ p.

    Bilinear, differentiable in image and matrix; it does not smooth, so shrink by SHARP at most.

    Args:
        image: (height, width, channels) of any type.
        matrix: (3, 3) from pixels of the image to pixels of the result.
        size: (height, width) of the result.
        fill: the value outside the image; None repeats its edge.

    Returns:
        (*size, channels) float32.
    """
    return pull(image, invert(matrix), size=size, fill=fill)


def pull(image: jax.Array, matrix: jax.Array, *, size: Size, fill: float | None = None) -> jax.Array:
    """`warp` by the inverse: a (3, 3) matrix from pixels of the result to pixels of the image."""
    (a, b, tx), (d, e, ty) = matrix[:2]
    y, x = jnp.arange(size[0], dtype=jnp.float32)[:, None], jnp.arange(size[1], dtype=jnp.float32)
    return sample(image, x=a * x + b * y + tx, y=d * x + e * y + ty, fill=fill)


def sample(image: jax.Array, *, x: jax.Array, y: jax.Array, fill: float | None = None) -> jax.Array:
    """(..., channels) bilinear values of a (height, width, channels) image at (...,) places."""
    height, width, channels = image.shape
    if fill is None:
        x, y = jnp.clip(x, 0, width - 1), jnp.clip(y, 0, height - 1)
    x0, y0 = jnp.floor(x), jnp.floor(y)
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]
    rows = image.reshape(height * width, channels)

    def corner(cx, cy):
        inside = (cx >= 0) & (cx < width) & (cy >= 0) & (cy < height)
        index = jnp.clip(cy, 0, height - 1).astype(jnp.int32) * width + jnp.clip(cx, 0, width - 1).astype(jnp.int32)
        value = jnp.take(rows, index, axis=0, mode="clip").astype(jnp.float32)
        if fill is None:
            return value
        weight = inside[..., None].astype(jnp.float32)  # 0 or 1, hence exact; a select takes twice as long on a CPU
        return value * weight + fill * (1 - weight)

    def blend(first, second, weight):
        return first + (second - first) * weight  # exact where both are equal, so white stays at most white

    top = blend(corner(x0, y0), corner(x0 + 1, y0), fx)
    bottom = blend(corner(x0, y0 + 1), corner(x0 + 1, y0 + 1), fx)
    return blend(top, bottom, fy)


def unit(vectors: jax.Array, *, axis: int = -1) -> jax.Array:
    """(..., n) vectors along `axis`, scaled to length 1; the gradient at 0 is finite."""
    return vectors * jax.lax.rsqrt(jnp.maximum(jnp.square(vectors).sum(axis, keepdims=True), 1e-12))


def soft_argmax(scores: jax.Array, *, reach: float) -> jax.Array:
    """(..., bins) -> (...,) in 0..1: the mean of the softmax within `reach` bins of its highest bin.

    The mean over all bins would tend to the middle wherever a network is unsure. A peak at the rim still tends
    inwards, as nothing lies beyond it: a normal density with a deviation of one bin by 0.8 bins at the rim itself, and
    by 0.1 bins where it is 1.5 bins from the rim.
    """
    bins = scores.shape[-1]
    places = jnp.arange(bins)
    near = jnp.abs(places - scores.argmax(-1)[..., None]) <= reach
    share = jax.nn.softmax(jnp.where(near, scores, -jnp.inf))
    return (share * (places + 0.5)).sum(-1) / bins
