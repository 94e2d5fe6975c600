import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from whale_jax.evaluation import attribution

SIZE = (40, 60)


def test_every_pixel_is_hidden_by_as_many_boxes():
    boxes = attribution.windows(SIZE, side=0.2, step=0.1)
    count = np.zeros(SIZE, int)
    for y0, y1, x0, x1 in boxes:
        count[y0:y1, x0:x1] += 1
    assert count.min() == count.max() == 4


def test_what_is_hidden_takes_the_mean_colour_and_the_rest_stays():
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    hidden = attribution.hide(image, np.array([4, 10, 20, 35]))
    assert_array_equal(hidden[4:10, 20:35], np.broadcast_to(np.rint(image.mean((0, 1))), (6, 15, 3)))
    hidden[4:10, 20:35] = image[4:10, 20:35]
    assert_array_equal(hidden, image)
    assert_array_equal(attribution.hide(image, np.zeros(4, int)), image)


def test_occlusion_finds_the_part_that_the_answer_rests_on():
    boxes = attribution.windows(SIZE, side=0.2, step=0.05)
    y, x = 12, 41  # an answer that rests on this one pixel
    drops = np.array([y0 <= y < y1 and x0 <= x < x1 for y0, y1, x0, x1 in boxes], float)
    saliency = attribution.occlusion(drops, boxes, size=SIZE)
    assert saliency[y, x] == saliency.max() == 1
    assert_allclose(np.average(np.indices(SIZE).reshape(2, -1), axis=1, weights=saliency.ravel()), (y, x), atol=1)
    assert attribution.share_inside(saliency, (x - 12, y - 8, 24, 16)) > 0.95


def test_gradients_add_up_to_what_the_picture_adds():
    rng = np.random.default_rng(0)
    image, weights = (rng.normal(size=(6, 8, 3)).astype(np.float32) for _ in range(2))

    def log_probability(images):
        return jax.nn.log_sigmoid(jnp.einsum("nhwc,hwc->n", images, weights) - 1)

    gradients = attribution.integrated_gradients(log_probability, image, steps=200)
    gain = log_probability(np.stack([image, 0 * image]))
    assert_allclose(gradients.sum(), gain[0] - gain[1], rtol=1e-3)
    assert_allclose(
        gradients / gradients.sum(), (image * weights).sum(-1) / (image * weights).sum(), rtol=1e-3, atol=1e-5
    )


def test_share_inside_a_box():
    assert attribution.share_inside(np.ones((10, 20)), (-0.5, -0.5, 10, 10)) == 0.5
    assert attribution.share_inside(np.array([[1.0, -5.0], [3.0, 0.0]]), (0, 1, 0.5, 0.5)) == 0.75
    assert attribution.share_inside(-np.ones((3, 3)), (0, 0, 1, 1)) == pytest.approx(np.nan, nan_ok=True)
