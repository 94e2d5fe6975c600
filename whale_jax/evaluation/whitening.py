"""Features made fit for a search: less their mean, or whitened within whales, fitted on named photos."""

from collections.abc import Callable

import numpy as np
from scipy import linalg

from whale_jax.evaluation.retrieval import unit

MOST = 8000  # photos that whitening is fitted on: a matrix of as many rows and columns takes 256 MB
INDEPENDENT = 1e-4  # of the mean square, added to each vector's, so that vectors that are alike span a space too

Transform = Callable[[np.ndarray], np.ndarray]  # (n, D) features -> (n, K) float32 of length 1


def leave(features: np.ndarray, label: np.ndarray) -> Transform:
    """The (n, D) features as they are, brought to length 1. Nothing is fitted."""
    return unit


def centre(features: np.ndarray, label: np.ndarray) -> Transform:
    """Less the mean of the (n, D) features: what all heads share says nothing of whose they are."""
    mean = np.asarray(features, np.float32).mean(0)
    return lambda features: unit(features - mean)


def whiten(features: np.ndarray, label: np.ndarray, *, most: int = MOST) -> Transform:
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
    vectors, (_, whale, count) = (
        centred(features[rows]),
        np.unique(label[rows], return_inverse=True, return_counts=True),
    )
    repeated = count[whale] > 1
    if not repeated.any() or not vectors.any():
        return centred
    coordinates, project = span(vectors)
    mean = np.zeros((len(count), coordinates.shape[1]), np.float32)
    np.add.at(mean, whale, coordinates)
    difference = (coordinates - mean[whale] / count[whale, None])[repeated]
    within = difference.T @ difference / (repeated.sum() - (count > 1).sum())
    within[np.diag_indices(len(within))] += max(np.trace(within) / len(within), np.finfo(np.float32).eps)
    # With within = L L', the cosine of L^-1 x and L^-1 y is that of x and y by the inverse covariance.
    lower = linalg.cholesky(within, lower=True)
    return lambda features: unit(linalg.solve_triangular(lower, project(centred(features)).T, lower=True).T)


def span(vectors: np.ndarray) -> tuple[np.ndarray, Transform]:
    """Coordinates in the space that vectors span, which has no more dimensions than there are vectors.

    Whatever else vectors differ in, those that span the space say nothing of. What lies along it keeps its length.

    Args:
        vectors: (n, D).

    Returns:
        (n, K) coordinates, with K the smaller of n and D, and what takes (m, D) vectors to (m, K) coordinates.
    """
    if vectors.shape[1] <= len(vectors):
        return vectors, lambda vectors: vectors
    products = vectors @ vectors.T
    products[np.diag_indices(len(products))] += INDEPENDENT * np.trace(products) / len(products)
    lower = linalg.cholesky(products, lower=True)  # row i: coordinates of vector i
    return lower, lambda rows: linalg.solve_triangular(lower, vectors @ rows.T, lower=True).T


TRANSFORMS = {"": leave, "centre": centre, "whiten": whiten}
