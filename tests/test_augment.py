"""One matrix and photometric operations from a spec string."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from whale_jax import augment as aug
from whale_jax import geometry as geo
from whale_jax.runtime.errors import InputError

PHOTOMETRIC = "brightness(0.2)|contrast(0.8,1.25)|gamma(0.8,1.2,p=0.5)"
ALIGNER = "geometric(p=0.5)|scale(0.75,1.25)|translate(0.1875)|rotate(180)"
CLASSIFIER = "flip_lr|flip_ud|scale(0.5,1.5)|translate(0.25)|shear(5.73)|rotate(30)|gamma(0.8,1.2,p=0.5)"
COUNT = 400

augment_batch = jax.jit(aug.augment_batch, static_argnums=0, static_argnames="size")


@partial(jax.jit, static_argnums=(0, 2, 3))
def matrix(augmentation, keys, source, target):
    return jax.vmap(lambda key: aug.matrix(augmentation, key, source_size=source, target_size=target))(keys)


@partial(jax.jit, static_argnums=0)
def photometric(augmentation, keys, image):
    return jax.vmap(lambda key: aug.photometric(augmentation, key, image=image))(keys)


def keys(count=COUNT, seed=0):
    return jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), jnp.arange(count))


def photos(count, size=(40, 56)):
    return np.random.default_rng(1).integers(0, 256, (count, *size, 3), dtype=np.uint8)


def drawn(spec, size=(100, 200)):
    """(COUNT, 3, 3) what a spec draws without a resize, about the origin."""
    centre = geo.middle(size)
    return np.asarray(geo.about(matrix(aug.parse(spec), keys(), size, size), -centre), np.float64)


def is_identity(matrices):
    return np.abs(matrices - np.eye(3)).max((1, 2)) < 1e-4


def assert_spread(values, low, high):
    """Uniform draws stay within a range and fill it."""
    assert low - 1e-4 * (high - low) <= values.min() < low + 0.05 * (high - low)
    assert high - 0.05 * (high - low) < values.max() <= high + 1e-4 * (high - low)
    assert_allclose(np.quantile(values, [0.25, 0.5, 0.75]), np.linspace(low, high, 5)[1:4], atol=0.1 * (high - low))


def test_a_spec_becomes_a_hashable_value():
    parsed = aug.parse("geometric(p=0.5) | rotate(30) | scale(low=0.9, high=1.1, p=0.25) | flip_lr | gamma(0.8,1.2)")
    rotate, scale = aug.Operation("rotate", (30.0,), 1.0), aug.Operation("scale", (0.9, 1.1), 0.25)
    flip, gamma = aug.Operation("flip_lr", (), 0.5), aug.Operation("gamma", (0.8, 1.2), 1.0)
    assert parsed == aug.Augmentation(aug.Group((rotate, scale, flip), 0.5), aug.Group((gamma,), 1.0))
    assert hash(parsed) == hash(aug.parse("geometric(p=.5)|rotate(30)|scale(0.9,1.1,p=0.25)|flip_lr|gamma(.8,1.2)"))
    assert aug.parse("") == aug.parse(" | ") == aug.Augmentation()


def test_every_operation_parses_with_its_arguments():
    values = {"degrees": "10", "slant": "5", "fraction": "0.1", "low": "0.9", "high": "1.1"}
    for name, function in aug.OPERATIONS.items():
        arguments = function.__code__.co_varnames[2 : function.__code__.co_argcount]
        parsed = aug.parse(f"{name}({','.join(values[a] for a in arguments)})")
        assert [step.name for group in parsed for step in group.operations] == [name]


@pytest.mark.parametrize(
    ("spec", "least"), [("", 1), ("scale(1.1,2)|rotate(180)", 1), (ALIGNER, 0.75), (CLASSIFIER, 0.5)]
)
def test_the_least_scale_is_the_least_that_is_drawn(spec, least):
    assert aug.least_scale(aug.parse(spec)) == least
    shrunk = np.linalg.svd(drawn(spec.replace("shear(5.73)|", ""))[:, :2, :2], compute_uv=False).min()
    assert least - 1e-4 < shrunk < 1.1 * least + 0.05


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("rotat(30)", "did you mean rotate"),
        ("geometry(p=0.5)", "did you mean geometric"),
        ("rotate(degree=30)", "did you mean degrees"),
        ("rotate", r"write rotate\(degrees, p=1\)"),
        ("rotate(30,0.5)", r"write rotate\(degrees, p=1\)"),
        ("rotate(30,degrees=20)", "wrong number"),
        ("flip_lr(0.5)", r"write flip_lr\(p=0.5\)"),
        ("geometric(0.5)", r"write geometric\(p=1\)"),
        ("rotate(30", "cannot read 'rotate\\(30'"),
        ("rotate(thirty)", "cannot read"),
        ("rotate(30)flip_lr", "cannot read"),
        ("rotate(30)|rotate(20)", "written twice"),
        ("rotate(30,p=1.5)", "p of augmentation 'rotate' is 1.5"),
        ("rotate(-30)", "degrees of augmentation 'rotate' is -30"),
        ("rotate(nan)", "degrees of augmentation 'rotate' is nan"),
        ("translate(48)", "fraction of augmentation 'translate' is 48"),
        ("shear(90)", "slant"),
        ("scale(1.25,0.75)", "0 < low <= high"),
        ("scale(1,inf)", "0 < low <= high"),
    ],
)
def test_a_spec_that_cannot_be_meant_is_refused(spec, message):
    with pytest.raises(InputError, match=message):
        aug.parse(spec)


def test_translation_is_a_fraction_of_each_side():
    m = drawn("translate(0.1)", size=(100, 200))
    assert_spread(m[:, 0, 2], -20, 20)
    assert_spread(m[:, 1, 2], -10, 10)
    assert abs(np.corrcoef(m[:, 0, 2], m[:, 1, 2])[0, 1]) < 0.15
    assert_allclose(m[:, :2, :2], np.broadcast_to(np.eye(2), (COUNT, 2, 2)), atol=1e-5)


def test_rotation_scale_and_shear_draw_their_whole_ranges_about_the_centre():
    m = drawn("rotate(40)")
    assert_spread(np.degrees(np.arctan2(m[:, 1, 0], m[:, 0, 0])), -40, 40)
    assert_allclose(np.linalg.det(m), 1, rtol=1e-5)
    assert_allclose(m[:, :2, 2], 0, atol=1e-3)
    m = drawn("scale(0.5,1.5)")
    assert_spread(m[:, 0, 0], 0.5, 1.5)
    assert_allclose(m, m[:, :1, :1] * np.diag([1, 1, 0]) + np.diag([0, 0, 1]), atol=1e-3)
    m = drawn("shear(10)")
    assert_spread(np.degrees(np.arctan(m[:, 0, 1])), -10, 10)
    m[:, 0, 1] = 0
    assert is_identity(m).all()


def test_brightness_contrast_and_gamma_draw_their_ranges():
    grey = np.full((1, 1, 1), 0.6, np.float32)
    value = lambda spec: np.asarray(photometric(aug.parse(spec), keys(), grey), np.float64).ravel()  # noqa: E731
    assert_spread(value("brightness(0.2)") - 0.6, -0.2, 0.2)
    assert_spread((value("contrast(0.5,1.5)") - 0.5) / 0.1, 0.5, 1.5)
    assert_spread(np.log(value("gamma(0.8,1.2)")) / np.log(0.6), 0.8, 1.2)


def test_an_erased_rectangle_is_grey_within_its_share_and_anywhere():
    image = np.random.default_rng(0).uniform(0.6, 0.9, (40, 80, 3)).astype(np.float32)
    out = np.asarray(photometric(aug.parse("erase(0.3)"), keys(), image))
    changed = (out != image).any(-1)
    assert (out[changed] == 0.5).all()
    rows, columns = changed.any(2), changed.any(1)
    assert (changed == rows[:, :, None] & columns[:, None, :]).all()  # a rectangle ...
    for side in (rows, columns):
        assert (np.diff(side.astype(int), axis=1) == 1).sum(1).max() <= 1  # ... in one piece
    share = changed.mean((1, 2))
    assert share.max() < 0.32
    assert 0.12 < share.mean() < 0.16  # half of 0.3, but for what is clipped at a whole side
    assert np.concatenate([rows.any(0), columns.any(0)]).all()


def test_operations_are_done_in_the_order_written_with_draws_of_their_own():
    rotate, scale, shift = (drawn(spec) for spec in ("rotate(50)", "scale(0.5,1.5)", "translate(0.3)"))
    assert_allclose(drawn("translate(0.3)|rotate(50)|scale(0.5,1.5)"), scale @ rotate @ shift, atol=1e-3)
    angle, factor = np.arctan2(rotate[:, 1, 0], rotate[:, 0, 0]), scale[:, 0, 0]
    assert abs(np.corrcoef(angle, factor)[0, 1]) < 0.15


def test_probabilities():
    assert is_identity(drawn("rotate(180,p=0)|flip_lr(p=0)|scale(0.5,0.6,p=0)")).all()
    assert not is_identity(drawn("scale(0.5,0.6,p=1)")).any()
    assert (drawn("flip_ud(p=1)")[:, 1, 1] < 0).all()
    for spec in ("scale(0.5,0.6,p=0.5)", "geometric(p=0.5)|rotate(90)|scale(0.5,0.6)"):
        assert 0.42 < is_identity(drawn(spec)).mean() < 0.58
    assert 0.17 < is_identity(drawn("flip_lr|flip_ud")).mean() < 0.33  # independent of each other


def test_whether_and_how_much_are_drawn_apart():
    m = drawn("scale(0.5,1.5,p=0.5)")
    assert_spread(m[~is_identity(m), 0, 0], 0.5, 1.5)


def test_the_resize_comes_first():
    resize, size = geo.resize((40, 56), (100, 200)), (100, 200)
    parsed = aug.parse("translate(0.3)|flip_ud(p=1)")
    expected = matrix(parsed, keys(), size, size) @ resize
    assert_allclose(matrix(parsed, keys(), (40, 56), size), expected, atol=1e-3)


def test_photometric_probabilities():
    image = np.random.default_rng(0).uniform(0.3, 0.7, (4, 4, 3)).astype(np.float32)
    changed = lambda spec: np.asarray(photometric(aug.parse(spec), keys(), image) != image).any((1, 2, 3))  # noqa: E731
    assert not changed("brightness(0.2,p=0)|gamma(0.5,2,p=0)|contrast(0.5,2,p=0)").any()
    assert not changed("photometric(p=0)|brightness(0.2)").any()
    assert changed("brightness(0.2)").all()
    assert 0.42 < changed("gamma(0.8,1.2,p=0.5)").mean() < 0.58
    assert 0.42 < changed("photometric(p=0.5)|gamma(0.8,1.2)|contrast(0.8,1.2)").mean() < 0.58


def test_flips_mirror_pixels_exactly():
    images = photos(64)
    out, _ = augment_batch(aug.parse("flip_lr|flip_ud"), keys(64), images=images, size=(40, 56))
    kinds = np.stack([images, images[:, :, ::-1], images[:, ::-1], images[:, ::-1, ::-1]]) / np.float32(255)
    distance = np.abs(np.asarray(out) - kinds).max((2, 3, 4))
    assert_allclose(distance.min(0), 0, atol=1e-6)
    assert (np.bincount(distance.argmin(0), minlength=4) > 6).all()


@pytest.mark.parametrize("spec", [ALIGNER, CLASSIFIER])
def test_one_matrix_moves_pixel_and_point(spec):
    (height, width), size = (90, 120), (64, 96)
    dots = np.random.default_rng(2).uniform([55, 40], [65, 50], (32, 2)).astype(np.float32)
    y, x = np.mgrid[:height, :width]
    squared = (x - dots[:, 0, None, None]) ** 2 + (y - dots[:, 1, None, None]) ** 2
    pictures = np.rint(255 * np.exp(-squared / (2 * 3.0**2)))[..., None].astype(np.uint8)
    geometric_only = aug.parse(spec)._replace(photometric=aug.Group())
    out, moved = augment_batch(geometric_only, keys(32), images=pictures, size=size)
    expected = np.asarray(geo.move_points(moved, dots[:, None])[:, 0])
    weight = np.asarray(out, np.float64)[..., 0]
    total = weight.sum((1, 2))
    centre = (
        np.stack([(weight.sum(1) * np.arange(96)).sum(1), (weight.sum(2) * np.arange(64)).sum(1)], 1) / total[:, None]
    )
    inside = ((expected > 12) & (expected < [84, 52])).all(1)
    assert inside.sum() >= 8
    assert_allclose(centre[inside], expected[inside], atol=0.15)


@pytest.mark.parametrize("size", [(40, 56), (32, 32), (80, 112)])
def test_an_empty_spec_is_the_resize_and_needs_no_key(size):
    images = photos(3)
    resize = geo.resize((40, 56), size)
    for key in (keys(3), None):
        out, moved = augment_batch(aug.parse(""), key, images=images, size=size)
        assert_array_equal(moved, np.broadcast_to(resize, (3, 3, 3)))
        expected = jax.vmap(lambda image: geo.warp(image, resize, size=size))(images) / 255
        assert_allclose(out, expected, atol=1e-6)


def test_pixels_are_resampled_once():
    images, parsed = photos(2), aug.parse("rotate(180)|translate(0.1)")
    out, moved = augment_batch(parsed, keys(2), images=images, size=(32, 48))
    assert_allclose(moved, matrix(parsed, keys(2), (40, 56), (32, 48)), atol=1e-4)
    for picture, image, m in zip(out, images, moved, strict=True):
        assert_allclose(picture, geo.warp(image, m, size=(32, 48)) / 255, atol=1e-4)


def test_draws_belong_to_the_key_not_to_the_batch():
    parsed, images = aug.parse("rotate(180)|flip_lr|gamma(0.8,1.2)"), photos(8)
    out, moved = augment_batch(parsed, keys(8), images=images, size=(32, 48))
    again, _ = augment_batch(parsed, keys(8), images=images, size=(32, 48))
    assert_array_equal(again, out)
    rows = np.array([6, 1, 3])
    part, part_moved = augment_batch(parsed, keys(8)[rows], images=images[rows], size=(32, 48))
    assert_allclose(part_moved, moved[rows], rtol=1e-5, atol=1e-4)
    assert_allclose(part, out[rows], atol=1e-3)
    assert len(np.unique(np.asarray(moved)[:, 0, 0])) == 8
    other, _ = augment_batch(parsed, keys(8, seed=1), images=images, size=(32, 48))
    assert np.abs(other - out).max((1, 2, 3)).min() > 0.05


def test_adding_an_operation_leaves_the_draws_of_the_others():
    size, batch_keys = (40, 56), keys(8)
    few, longer = aug.parse("rotate(30)|gamma(0.8,1.2)"), aug.parse("brightness(0.1)|rotate(30)|gamma(0.8,1.2)")
    assert_array_equal(matrix(few, batch_keys, size, size), matrix(longer, batch_keys, size, size))


@pytest.mark.parametrize("spec", ["brightness(0.3)", "contrast(0.5,2)", "gamma(0.3,3)", PHOTOMETRIC])
def test_photometric_keeps_the_order_and_the_range(spec):
    ramp = np.linspace(0, 1, 300, dtype=np.float32).reshape(10, 10, 3)
    out = np.asarray(photometric(aug.parse(spec), keys(50), ramp)).reshape(50, 300)
    assert (np.diff(out, axis=1) >= -1e-6).all()
    assert out.min() >= 0
    assert out.max() <= 1
    assert (out[:, -1] > out[:, 0]).all()


def test_photometric_is_the_identity_at_neutral_parameters():
    image = np.random.default_rng(0).uniform(0, 1, (9, 9, 3)).astype(np.float32)
    image[0, 0] = 0, 0.5, 1
    for spec in ("brightness(0)", "contrast(1,1)", "gamma(1,1)"):
        assert_allclose(photometric(aug.parse(spec), keys(4), image), np.stack([image] * 4), atol=1e-6)
    ends = np.array([0, 1], np.float32).reshape(1, 2, 1)  # black and white stay under gamma
    assert_allclose(photometric(aug.parse("gamma(0.5,3)"), keys(20), ends), np.stack([ends] * 20), atol=1e-5)
