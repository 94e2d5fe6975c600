"""The affine algebra, against its own identities and against scikit-image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from skimage import transform

from whale_jax import geometry as geo

warp = jax.jit(geo.warp, static_argnames=("size", "fill"))
move_box_by_mask = jax.jit(geo.move_box_by_mask, static_argnames=("source", "target"))


def matrices(count, seed=0, shift=20.0):
    """(count, 3, 3) rotations, scales and shears of a moderate size, with a shift in pixels."""
    turn, slant, x, y, tx, ty = np.random.default_rng(seed).uniform(0, 1, (6, 20)).astype(np.float32)
    moves = geo.compose(
        geo.rotation(6 * turn - 3),
        geo.shear(0.6 * slant - 0.3),
        geo.scaling(0.6 + x, 0.6 + y),
        geo.translation(shift * (2 * tx - 1), shift * (2 * ty - 1)),
    )
    return np.asarray(moves)[:count]


def points(count, seed=1, size=(60, 90)):
    return np.random.default_rng(seed).uniform(0, 1, (count, 2)).astype(np.float32) * size[::-1]


def smooth(size=(41, 63), channels=3, seed=2):
    """A picture without sharp edges, so that differences of 1e-4 px do not show."""
    noise = np.random.default_rng(seed).uniform(0, 1, (7, 9, channels))
    return transform.resize(noise, (*size, channels), order=3, mode="edge").astype(np.float32)


def test_compose_does_the_first_first():
    a, b, c = matrices(3)
    p = points(5)
    one_by_one = geo.move_points(c, geo.move_points(b, geo.move_points(a, p)))
    assert_allclose(geo.move_points(geo.compose(a, b, c), p), one_by_one, rtol=1e-5, atol=1e-3)
    assert_allclose(geo.compose(geo.compose(a, b), c), geo.compose(a, geo.compose(b, c)), rtol=1e-4, atol=1e-4)


def test_invert_undoes_and_agrees_with_numpy():
    moves = matrices(20)
    inverse = geo.invert(moves)
    assert_allclose(inverse, np.linalg.inv(np.asarray(moves, np.float64)), rtol=1e-4, atol=1e-4)
    assert_allclose(geo.compose(moves, inverse), np.broadcast_to(np.eye(3), (20, 3, 3)), atol=1e-4)
    assert not np.isfinite(geo.invert(geo.scaling(0, 1))).all()


def test_elementary_moves():
    move = lambda m, x, y: np.asarray(geo.move_points(m, jnp.array([[x, y]], jnp.float32)))[0]  # noqa: E731
    assert_allclose(move(geo.translation(3, -2), 1, 1), (4, -1))
    assert_allclose(move(geo.scaling(2, -1), 3, 4), (6, -4))
    assert_allclose(move(geo.rotation(np.pi / 2), 1, 0), (0, 1), atol=1e-6)  # x turns towards y
    assert_allclose(move(geo.shear(np.pi / 4), 1, 2), (3, 2), rtol=1e-6)
    assert_allclose(move(geo.about(geo.rotation(np.pi), jnp.array([5.0, 6.0])), 5, 8), (5, 4), atol=1e-5)
    assert_allclose(geo.move_points(geo.about(geo.scaling(-1, 1), geo.middle((4, 7))), np.array([[0.0, 2]])), [[6, 2]])


def test_resize_takes_outer_edges_onto_outer_edges():
    m = geo.resize((10, 20), (5, 60))
    edges, moved = np.array([[-0.5, -0.5], [19.5, 9.5]]), np.array([[-0.5, -0.5], [59.5, 4.5]])
    assert_allclose(geo.move_points(m, edges), moved, atol=1e-5)
    assert_array_equal(geo.resize((10, 20), (10, 20)), np.eye(3))
    back = geo.compose(m, geo.resize((5, 60), (10, 20)))
    assert_allclose(back, np.eye(3), atol=1e-5)


@pytest.mark.parametrize("factor", [2, 3])
def test_resize_up_agrees_with_skimage(factor):
    image = smooth((12, 17))
    size = (12 * factor, 17 * factor)
    warped = warp(image, geo.resize(image.shape[:2], size), size=size)
    assert_allclose(warped, transform.resize(image, size, order=1, mode="edge"), atol=1e-5)


def test_resize_down_by_two_is_the_mean_of_four():
    image = smooth((24, 34))
    warped = warp(image, geo.resize((24, 34), (12, 17)), size=(12, 17))
    assert_allclose(warped, transform.downscale_local_mean(image, (2, 2, 1)), atol=1e-5)


def test_fit_similarity_takes_points_onto_points_as_skimage_does():
    source, target = points(40, seed=3).reshape(20, 2, 2), points(40, seed=4).reshape(20, 2, 2)
    fitted = geo.fit_similarity(source, target)
    assert_allclose(geo.move_points(fitted, source), target, atol=2e-2)
    for m, s, t in zip(fitted, source, target, strict=True):
        assert_allclose(m, transform.SimilarityTransform.from_estimate(s, t).params, rtol=1e-3, atol=1e-2)


def test_fit_similarity_recovers_scale_rotation_and_translation():
    expected = transform.SimilarityTransform(scale=1.7, rotation=0.4, translation=(12, -7))
    p = points(2)
    assert_allclose(geo.fit_similarity(p, expected(p)), expected.params, atol=1e-4)
    assert not np.isfinite(geo.fit_similarity(jnp.ones((2, 2)), jnp.asarray(p))).all()


@pytest.mark.parametrize(("mode", "fill"), [("edge", None), ("constant", 0.0), ("constant", 0.3)])
@pytest.mark.parametrize("size", [(41, 63), (30, 80), (75, 33)])
def test_warp_agrees_with_skimage(mode, fill, size):
    image = smooth()
    for m in matrices(4, seed=5, shift=30.0):
        inverse = np.linalg.inv(np.asarray(m, np.float64))
        expected = transform.warp(image, inverse, output_shape=size, order=1, mode=mode, cval=fill or 0.0)
        warped = warp(image, m, size=size, fill=fill)
        # At the rim 1e-5 px decide between a pixel and the fill: hence the share instead of the maximum.
        assert (np.abs(warped - expected) < 1e-4).mean() > 0.999
        assert_allclose(warped, expected, atol=1e-4 if fill is None else 0.5)


def test_shares_are_0_and_1_at_the_outer_edges_of_the_rim():
    corners = jnp.array([[-0.5, -0.5], [29.5, 19.5], [14.5, 9.5]])
    assert_allclose(geo.shares(corners, (20, 30)), [[0, 0], [1, 1], [0.5, 0.5]], atol=1e-7)
    points = np.random.default_rng(3).normal(0, 40, (7, 2)).astype(np.float32)
    assert_allclose(geo.from_shares(geo.shares(points, (20, 30)), (20, 30)), points, atol=1e-5)


@pytest.mark.parametrize("fill", [None, 0.0])
def test_identity_warp_is_exact_and_a_flat_picture_stays_flat(fill):
    image = np.random.default_rng(0).integers(0, 256, (13, 22, 3), dtype=np.uint8)
    assert_array_equal(warp(image, jnp.eye(3), size=(13, 22), fill=fill), image)
    white = np.full((13, 22, 3), 255, np.uint8)
    assert_array_equal(warp(white, matrices(1)[0], size=(20, 20)), 255)


def test_a_shift_by_whole_pixels_is_a_slice():
    image = smooth()
    moved = warp(image, geo.translation(3, -2), size=(41, 63), fill=0.0)
    assert_array_equal(moved[:-2, 3:], image[2:, :-3])
    assert not np.asarray(moved[-2:]).any()
    assert not np.asarray(moved[:, :3]).any()


def blob(size, centre, radius=2.5):
    """(*size, 1) a smooth dot around (x, y)."""
    y, x = np.mgrid[: size[0], : size[1]]
    return np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * radius**2))[..., None].astype(np.float32)


def centroid(image):
    """(x, y) the centre of gravity of an image's brightness."""
    weight = np.asarray(image, np.float64).sum(-1)
    y, x = np.mgrid[: weight.shape[0], : weight.shape[1]]
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


def test_a_dot_is_found_where_the_matrix_moves_its_point():
    dot = np.array([31.0, 22.0])
    m = geo.about(matrices(8, shift=8.0), jnp.asarray(dot))
    for matrix in m:
        expected = geo.move_points(matrix, dot[None])[0] + 10
        centre = centroid(
            warp(blob((50, 60), dot), geo.compose(matrix, geo.translation(10, 10)), size=(80, 90), fill=0.0)
        )
        assert_allclose(centre, expected, atol=0.05)


def test_gradients_of_warp_agree_with_finite_differences():
    rng = np.random.default_rng(6)
    image, weight = smooth((9, 11), 2), rng.uniform(-1, 1, (8, 10, 2)).astype(np.float32)
    m = np.array([[1.03, 0.11, -0.37], [-0.13, 0.94, 0.61], [0, 0, 1]])

    def reference(image, m):
        return (transform.warp(image, np.linalg.inv(m), output_shape=(8, 10), order=1, mode="edge") * weight).sum()

    by_image, by_matrix = jax.grad(lambda i, m: (warp(i, m, size=(8, 10)) * weight).sum(), (0, 1))(
        jnp.asarray(image), jnp.asarray(m, jnp.float32)
    )
    step = 1e-5
    for row, column in np.ndindex(2, 3):
        nudge = np.zeros((3, 3))
        nudge[row, column] = step
        slope = (reference(image.astype(float), m + nudge) - reference(image.astype(float), m - nudge)) / (2 * step)
        assert_allclose(by_matrix[row, column], slope, rtol=1e-3, atol=1e-3)
    towards = rng.uniform(-1, 1, image.shape)  # the warp is linear in the image, so any step will do
    assert_allclose(
        (by_image * towards).sum(), reference(image + towards, m) - reference(image.astype(float), m), rtol=1e-4
    )


def test_gradient_by_matrix_does_not_vanish_at_the_identity():
    image = smooth((16, 16), 1)
    slope = jax.grad(lambda x: warp(image, geo.translation(x, 0.0), size=(16, 16))[4:12, 4:12].sum())(0.0)
    assert_allclose(slope, (image[4:12, 4:12] - image[4:12, 5:13]).sum(), rtol=1e-4)


def test_corners_and_bounding_box_undo_each_other():
    box = np.array([[3, 4, 10, 5], [0, 0, 1, 1]], np.float32)
    assert_allclose(geo.bounding_box(geo.corners(box)), box)
    assert_allclose(geo.corners(box)[0], [[3, 4], [13, 4], [13, 9], [3, 9]])


BOX = np.array([22, 18, 24, 12], np.float32)


@pytest.mark.parametrize("m", [geo.translation(5, -3), geo.about(geo.scaling(-1, 1), geo.middle((48, 70)))])
def test_both_ways_to_move_a_box_agree_where_pixels_meet_pixels(m):
    assert_allclose(move_box_by_mask(m, BOX, source=(48, 70), target=(48, 70)), geo.move_box(m, BOX), atol=1e-4)


def test_both_ways_to_move_a_box_differ_by_at_most_a_pixel_where_axes_stay_axes():
    for factor in (0.5, 0.8, 1.3, 2.0):
        size = (round(48 * factor), round(70 * factor))
        m = geo.resize((48, 70), size)
        by_mask, by_corners = move_box_by_mask(m, BOX, source=(48, 70), target=size), geo.move_box(m, BOX)
        low, high = by_mask[:2] - by_corners[:2], (by_mask - by_corners)[:2] + (by_mask - by_corners)[2:]
        assert max(abs(low).max(), abs(high).max()) <= 1 + 0.5 * factor


def test_a_turned_mask_lies_within_the_turned_corners():
    turned = geo.about(geo.rotation(np.linspace(-3, 3, 13)), jnp.array([35.0, 24.0]))
    for m in turned:
        by_mask, by_corners = move_box_by_mask(m, BOX, source=(48, 70), target=(48, 70)), geo.move_box(m, BOX)
        assert (by_mask[:2] >= by_corners[:2] - 0.75).all()
        assert (by_mask[:2] + by_mask[2:] <= by_corners[:2] + by_corners[2:] + 0.75).all()
        assert geo.iou(by_mask, by_corners) > 0.7


def test_a_mask_is_cut_at_the_rim_and_zero_outside():
    cut = move_box_by_mask(geo.translation(-30, 0), BOX, source=(48, 70), target=(48, 70))
    assert_array_equal(cut, [0, 18, 16, 12])
    assert_array_equal(move_box_by_mask(geo.translation(200, 0), BOX, source=(48, 70), target=(48, 70)), np.zeros(4))


def test_giou_says_how_far_apart_boxes_are():
    box = np.float32([0, 0, 1, 1])
    boxes = np.float32([[0, 0, 1, 1], [2, 0, 1, 1], [9, 0, 1, 1], [0.5, 0, 1, 1]])
    # (area of both - area around both) / area around both where they are apart; else IoU, here of 1.5 a third
    assert_allclose(geo.giou(box, boxes), [1, -1 / 3, -8 / 10, 1 / 3], rtol=1e-5)
    assert_allclose(geo.giou(boxes, box), geo.giou(box, boxes))


def test_iou_is_a_count_of_pixels():
    rng = np.random.default_rng(7)
    for a, b in rng.integers(0, 20, (30, 2, 4)):
        masks = np.zeros((2, 40, 40), bool)
        for mask, (x, y, width, height) in zip(masks, (a, b), strict=True):
            mask[y : y + height, x : x + width] = True
        expected = (masks[0] & masks[1]).sum() / max((masks[0] | masks[1]).sum(), 1)
        assert_allclose(geo.iou(a.astype(np.float32), b.astype(np.float32)), expected, rtol=1e-6)


m32, p32 = matrices(3, seed=8), points(6, seed=9).reshape(3, 2, 2)
boxes = np.concatenate([p32[:, 0], 5 + p32[:, 1] / 3], -1)
pictures = np.stack([smooth((20, 30), seed=s) for s in range(3)])


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (geo.compose, (m32, m32[::-1])),
        (geo.invert, (m32,)),
        (geo.rotation, (p32[:, 0, 0],)),
        (geo.about, (m32, p32[:, 0])),
        (geo.resize, (p32[:, 0] + 1, p32[:, 1] + 1)),
        (geo.fit_similarity, (p32, p32[::-1])),
        (geo.move_points, (m32, p32)),
        (geo.move_box, (m32, boxes)),
        (geo.iou, (boxes, boxes[::-1])),
        (geo.giou, (boxes, boxes[::-1])),
        (lambda m, box: geo.move_box_by_mask(m, box, source=(60, 90), target=(50, 40)), (m32, boxes)),
        (lambda image, m: geo.warp(image, m, size=(18, 33), fill=0.5), (pictures, m32)),
    ],
)
def test_one_by_one_equals_jit_equals_vmap(function, arguments):
    one_by_one = [jax.jit(function)(*row) for row in zip(*arguments, strict=True)]
    assert_allclose(function(*(a[0] for a in arguments)), one_by_one[0], rtol=1e-4, atol=2e-3)
    assert_allclose(jax.vmap(function)(*arguments), one_by_one, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize(("reduction", "whole"), [(1.5, True), (2.0, True), (2.5, False)])
def test_a_warp_looks_at_every_pixel_up_to_a_reduction_of_sharp(reduction, whole):
    source, target = (40, 60), (round(40 / reduction), round(60 / reduction))
    image = jnp.zeros((*source, 1))
    weight = jax.grad(lambda pixels: geo.warp(pixels, geo.resize(source, target), size=target).sum())(image)
    assert bool((weight > 0).all()) is whole is (reduction <= geo.SHARP)
