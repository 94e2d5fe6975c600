"""Losses, one value an example; whoever calls them masks, sums and divides.

The names of a loss's arguments say what it reads: (logits, label), (prediction, target), or (distance, same, other) for
one that compares the pictures of a batch. Whoever adds one calls `register`, and names it in `config.task.loss`:

    def focal(logits, label): ...

    losses.register("focal", focal)   # then: config.task.loss = "focal"

Those that compare pictures, for embeddings in which one whale's pictures lie together, take A anchors and N pictures of
a gallery: their (A, N) `distance`, and bool masks `same` (another picture of the anchor's whale) and `other` (a picture
of another whale). A picture in neither is padding or the anchor itself. They return one value an anchor, and but for
`contrastive` it is 0 without a positive or a negative in the batch. Embeddings have length 1, so a distance is at most
2 and a similarity is 1 - distance^2 / 2.
"""

from functools import partial

import jax
import jax.numpy as jnp

from whale_jax.runtime import registry


def squared_error(prediction: jax.Array, target: jax.Array) -> jax.Array:
    """(B, n) and (B, n) -> (B,) mean of squared differences."""
    return jnp.square(prediction - target).mean(-1)


def cross_entropy(logits: jax.Array, label: jax.Array, *, smoothing: float = 0.0) -> jax.Array:
    """(B, classes) logits and (B,) labels -> (B,) nats.

    Args:
        logits: unnormalised log probabilities.
        label: index of the true class.
        smoothing: share of the target spread evenly over all classes (Szegedy et al., arXiv:1512.00567).
    """
    log_p = jax.nn.log_softmax(logits)
    true = jnp.take_along_axis(log_p, label[:, None], axis=-1)[:, 0]
    return -(1 - smoothing) * true - smoothing * log_p.mean(-1)


def soft_cross_entropy(logits: jax.Array, target: jax.Array, *, smoothing: float = 0.0) -> jax.Array:
    """`cross_entropy` with a (B, classes) probability of each class for a target."""
    target = (1 - smoothing) * target + smoothing / target.shape[-1]
    return -(target * jax.nn.log_softmax(logits)).sum(-1)


def binned_cross_entropy(logits: jax.Array, position: jax.Array, *, width: float) -> jax.Array:
    """(B,) mean cross entropy between softmax over bins and a bell around each true coordinate, in nats.

    The right-whale winners' alternative to squared error, with a soft instead of a hard target.

    Args:
        logits: (B, ..., bins), one for each of equal bins over 0..1.
        position: (B, ...) true coordinates in 0..1.
        width: standard deviation of the target, in bins.
    """
    bins = logits.shape[-1]
    centres = jnp.arange(bins) + 0.5
    target = jax.nn.softmax(-0.5 * jnp.square((centres - position[..., None] * bins) / width))
    values = -(target * jax.nn.log_softmax(logits)).sum(-1)
    return values.mean(tuple(range(1, values.ndim)))


def distances(anchors: jax.Array, gallery: jax.Array) -> jax.Array:
    """(A, N) distances of (A, D) from (N, D) vectors of length 1; the gradient is finite where they coincide."""
    squared = 2 - 2 * jnp.matmul(anchors, gallery.T, precision="highest")
    return jnp.sqrt(jnp.maximum(squared, 1e-8))


def contrastive(distance: jax.Array, same: jax.Array, other: jax.Array, *, margin: float) -> jax.Array:
    """(A,) squared distance of positives, and how far negatives come within the margin, squared.

    The loss of Siamese networks (Hadsell, Chopra & LeCun, CVPR 2006) with every pair of the batch, where the post's
    author drew pairs one by one. Positives and negatives count alike, however many there are.
    """
    return _mean(distance**2, same) + _mean(jnp.maximum(margin - distance, 0) ** 2, other)


def batch_all(distance: jax.Array, same: jax.Array, other: jax.Array, *, margin: float) -> jax.Array:
    """(A,) mean of the anchor's triplets that violate the margin (after Hermans et al., arXiv:1703.07737, section 2).

    The paper takes one mean over those of the whole batch, so that anchors with many weigh more.
    """
    negatives, limit = _negatives(distance, other), margin + distance
    count = _nearer(negatives, limit, side="left")
    total = jnp.cumsum(_finite(negatives), axis=1)
    nearest = jnp.where(count > 0, jnp.take_along_axis(total, jnp.maximum(count - 1, 0), axis=1), 0)
    cost = jnp.where(same, count * limit - nearest, 0).sum(1)
    return cost / jnp.maximum(jnp.where(same, count, 0).sum(1), 1)


def batch_hard(distance: jax.Array, same: jax.Array, other: jax.Array, *, margin: float) -> jax.Array:
    """(A,) margin between the farthest positive and the nearest negative (Hermans et al., equation 5)."""
    farthest = jnp.where(same, distance, -jnp.inf).max(1)
    nearest = jnp.where(other, distance, jnp.inf).min(1)
    return jnp.where(usable(same, other), jnp.maximum(margin + _finite(farthest) - _finite(nearest), 0), 0)


def semi_hard(distance: jax.Array, same: jax.Array, other: jax.Array, *, margin: float) -> jax.Array:
    """(A,) mean over positives of the margin to the nearest negative that is farther than the positive.

    Where all negatives are nearer, the farthest of them is taken (Schroff et al., FaceNet, arXiv:1503.03832).
    """
    negatives = _negatives(distance, other)
    count = _nearer(negatives, distance, side="right")
    beyond = jnp.take_along_axis(negatives, jnp.minimum(count, distance.shape[1] - 1), axis=1)
    fallback = jnp.where(other, distance, -jnp.inf).max(1, keepdims=True)
    negative = jnp.where(count < other.sum(1, keepdims=True), _finite(beyond), _finite(fallback))
    return jnp.where(usable(same, other), _mean(jnp.maximum(margin + distance - negative, 0), same), 0)


def multi_similarity(
    distance: jax.Array,
    same: jax.Array,
    other: jax.Array,
    *,
    margin: float,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
) -> jax.Array:
    """(A,) soft sums over the positives and the negatives that are hard for the anchor.

    Wang et al., arXiv:1904.06627, equations 8 to 10: a negative counts if it is more alike than the least alike
    positive less the margin, a positive if it is less alike than the most alike negative plus the margin.

    Args:
        distance, same, other: see the module.
        margin: of the mining, in similarity.
        alpha, beta: sharpness of the sums over positives and negatives.
        base: similarity that divides them.
    """
    alike = 1 - distance**2 / 2
    least, most = jnp.where(same, alike, jnp.inf).min(1), jnp.where(other, alike, -jnp.inf).max(1)
    near = other & (alike > least[:, None] - margin)
    far = same & (alike < most[:, None] + margin)
    pull = jnp.log1p(jnp.where(far, jnp.exp(-alpha * (alike - base)), 0).sum(1)) / alpha
    push = jnp.log1p(jnp.where(near, jnp.exp(beta * (alike - base)), 0).sum(1)) / beta
    return jnp.where(usable(same, other), pull + push, 0)


def supervised_contrastive(distance: jax.Array, same: jax.Array, other: jax.Array, *, temperature: float) -> jax.Array:
    """(A,) cross entropy of a positive among all pictures, by similarity over a temperature; its mean over positives.

    Khosla et al., arXiv:2004.11362, equation 2. With one positive it is SimCLR's (Chen et al., arXiv:2002.05709,
    equation 1).
    """
    logits = (1 - distance**2 / 2) / temperature
    log_p = logits - jax.nn.logsumexp(jnp.where(same | other, logits, -1e9), axis=1, keepdims=True)
    return jnp.where(usable(same, other), -_mean(log_p, same), 0)


def usable(same: jax.Array, other: jax.Array) -> jax.Array:
    """(A,) bool, anchors with a positive and a negative."""
    return same.any(1) & other.any(1)


def active(distance: jax.Array, same: jax.Array, other: jax.Array, *, margin: float) -> jax.Array:
    """(A,) share of the anchor's triplets that violate the margin; it stays near 1 where an embedding has collapsed."""
    count = _nearer(_negatives(distance, other), margin + distance, side="left")
    return jnp.where(same, count, 0).sum(1) / jnp.maximum(same.sum(1) * other.sum(1), 1)


def _negatives(distance: jax.Array, other: jax.Array) -> jax.Array:
    """(A, N) distances of each anchor's negatives in ascending order, infinite after the last.

    The order lets the negatives of all triplets with a positive be counted and summed in the memory of pairs.
    """
    return jnp.sort(jnp.where(other, distance, jnp.inf), axis=1)


def _nearer(negatives: jax.Array, limit: jax.Array, *, side: str) -> jax.Array:
    """(A, N) number of an anchor's ordered negatives below each of its (A, N) limits; "right" counts equal ones too."""
    return jax.vmap(partial(jnp.searchsorted, side=side))(negatives, limit)


def _mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    """(A,) mean of the (A, N) values where the mask is true, 0 where it is true nowhere."""
    return jnp.where(mask, values, 0).sum(1) / jnp.maximum(mask.sum(1), 1)


def _finite(values: jax.Array) -> jax.Array:
    # Infinity times zero is NaN in a gradient, though the value is not used.
    return jnp.where(jnp.isfinite(values), values, 0)


PAIRWISE = (contrastive, batch_all, batch_hard, semi_hard, multi_similarity)
LOSSES = registry.Registry(
    "loss", squared_error=squared_error, cross_entropy=cross_entropy, **{loss.__name__: loss for loss in PAIRWISE}
)
register = LOSSES.register
