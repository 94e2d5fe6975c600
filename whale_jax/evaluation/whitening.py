"""Features made fit for a search: less their mean, or whitened within whales, fitted on named photos."""

from typing import NamedTuple

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from whale_jax.evaluation.retrieval import unit

MOST = 8000  # photos that whitening is fitted on: a matrix of as many rows and columns takes 256 MB
INDEPENDENT = 1e-4  # of the mean square, added to each vector's, so that vectors that are alike span a space too


class Transform(NamedTuple):
    """Features less a mean, in a few directions; before the directions and after them each vector is of length 1.

    Attributes:
        mean: (D,) float32; 0 for none.
        directions: (K, D) float32; None to leave the vectors as they are.
    """

    mean: np.ndarray
    directions: np.ndarray | None = None

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, D) features -> (n, K) float32 of length 1."""
        vectors = unit(features - self.mean)
        return vectors if self.directions is None else unit(vectors @ self.directions.T)


class Fitted(NamedTuple):
    """A transform, and the (n, K) `vectors` that it makes of the (n, D) features that it was fitted on."""

    vectors: np.ndarray
    transform: Transform

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(m, D) other features -> (m, K) vectors of length 1."""
        return self.transform(features)


def leave(features: np.ndarray, label: np.ndarray) -> Fitted:
    """The (n, D) features as they are, brought to length 1. Nothing is fitted."""
    return Fitted(unit(features), Transform(np.zeros((), np.float32)))


def centre(features: np.ndarray, label: np.ndarray) -> Fitted:
    """Less the mean of the (n, D) features: what all heads share says nothing of whose they are."""
    mean = np.asarray(features, np.float32).mean(0)
    return Fitted(unit(features - mean), Transform(mean))


def whiten(features: np.ndarray, label: np.ndarray, *, most: int = MOST) -> Fitted:
    """Differences between photos of one whale, of all whales together, made as large in every direction.

    What varies from photo to photo of a whale (light, waves, the pose) then counts less than what varies from whale to
    whale: within-class covariance normalisation (Hatch et al., Interspeech 2006). The features are centred and brought
    to length 1; the mean of the variances is added to each, because there are fewer photos than it takes to measure
    them all. Where no whale has two photos, or all photos are alike, they are centred and no more.

    Args:
        features: (n, D) of named photos that are searched, not of those that ask.
        label: (n,) their whales.
        most: photos that it is fitted on, drawn where there are more.
    """
    centred = centre(features, label)
    rows = np.sort(np.random.default_rng(0).permutation(len(features))[:most])
    vectors = centred.vectors[rows]
    _, whale, count = np.unique(label[rows], return_inverse=True, return_counts=True)
    repeated = count[whale] > 1
    if not repeated.any() or not vectors.any():
        return centred
    space = span(vectors)
    mean = np.zeros((len(count), space.coordinates.shape[1]), np.float32)
    np.add.at(mean, whale, space.coordinates)
    mean /= count[:, None].astype(np.float32)
    difference = (space.coordinates - mean[whale])[repeated]
    within = difference.T @ difference / np.float32(repeated.sum() - (count > 1).sum())
    within[np.diag_indices(len(within))] += max(np.trace(within) / len(within), np.finfo(np.float32).eps)
    lower = linalg.cholesky(within, lower=True, overwrite_a=True)
    # With within = L L', the cosine of L^-1 x and L^-1 y is that of x and y by the inverse covariance.
    transform = Transform(centred.transform.mean, linalg.solve_triangular(lower, space.basis, lower=True))
    whitened = unit(linalg.solve_triangular(lower, space.projected.T, lower=True).T)
    if len(rows) == len(features):
        return Fitted(whitened, transform)
    result = np.empty((len(features), len(lower)), np.float32)
    result[rows] = whitened
    rest = np.setdiff1d(np.arange(len(features)), rows)
    result[rest] = transform(features[rest])
    return Fitted(result, transform)


class Span(NamedTuple):
    """The space that n vectors of D numbers span, of K dimensions: the smaller of n and D.

    Attributes:
        basis: (K, D) what takes a vector to the coordinates of what lies along the space.
        coordinates: (n, K) of the vectors, a little apart where they are alike.
        projected: (n, K) what the basis makes of the vectors.
    """

    basis: np.ndarray
    coordinates: np.ndarray
    projected: np.ndarray


def span(vectors: np.ndarray) -> Span:
    """Coordinates in the space that (n, D) vectors span, which has no more dimensions than there are vectors.

    Components outside the space are dropped, for the vectors say nothing about them. Lengths inside it are kept.
    """
    if vectors.shape[1] <= len(vectors):
        return Span(np.eye(vectors.shape[1], dtype=vectors.dtype), vectors, vectors)
    products = vectors @ vectors.T
    ridge = INDEPENDENT * np.trace(products) / len(products)
    products[np.diag_indices(len(products))] += ridge
    lower = linalg.cholesky(products, lower=True, overwrite_a=True)  # row i: coordinates of vector i
    # Products without the ridge are L L' - r I, so the vectors' projections L^-1 (L L' - r I) are L' - r L^-1: no need
    # to multiply all vectors by each other once more, which is what takes the time.
    inverse, _ = lapack.strtri(np.asarray(lower, np.float32, order="F"), lower=1)
    projected = lower - ridge * inverse.T
    return Span(linalg.solve_triangular(lower, vectors, lower=True), lower, projected)


TRANSFORMS = {"": leave, "centre": centre, "whiten": whiten}
