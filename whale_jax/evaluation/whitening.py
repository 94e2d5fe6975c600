"""Features made fit for a search: less their mean, or whitened within whales, fitted on named photos."""

from collections.abc import Callable

import numpy as np
from scipy import linalg
from sklearn.decomposition import PCA

from whale_jax.evaluation.retrieval import unit

COMPONENTS = 800  # principal components that are kept of local descriptors: 1,200 name no more right whales

Transform = Callable[[np.ndarray], np.ndarray]  # (n, D) features -> (n, K) float32 of length 1


def leave(features: np.ndarray, label: np.ndarray) -> Transform:
    """The (n, D) features as they are, brought to length 1. Nothing is fitted."""
    return unit


def centre(features: np.ndarray, label: np.ndarray) -> Transform:
    """Less the mean of the (n, D) features: what all heads share says nothing of whose they are."""
    mean = np.asarray(features, np.float32).mean(0)
    return lambda features: unit(features - mean)


def whiten(features: np.ndarray, label: np.ndarray, *, components: int = COMPONENTS) -> Transform:
    """Differences between photos of one whale, of all whales together, made as large in every direction.

    What varies from photo to photo of a whale (light, waves, the pose) then counts less than what varies from whale to
    whale: within-class covariance normalisation (Hatch et al., Interspeech 2006). The features are centred, brought to
    length 1 and to their principal components; the mean of the variances is added to each, because there are
    fewer photos than it takes to measure them all. Where no whale has two photos, or all photos are alike, they are
    centred and no more.

    Args:
        features: (n, D) of named photos that are searched, not of those that ask.
        label: (n,) their whales.
        components: principal components to keep; there are at most n - 1, and at most D.
    """
    centred = centre(features, label)
    _, whale, count = np.unique(label, return_inverse=True, return_counts=True)
    repeated = count[whale] > 1
    vectors = centred(features)
    if not repeated.any() or not vectors.any():
        return centred
    pca = PCA(min(components, len(vectors) - 1, vectors.shape[1]), svd_solver="randomized", random_state=0).fit(vectors)
    projected = pca.transform(vectors)
    mean = np.zeros((len(count), projected.shape[1]))
    np.add.at(mean, whale, projected)
    difference = (projected - mean[whale] / count[whale, None])[repeated]
    within = difference.T @ difference / (repeated.sum() - (count > 1).sum())
    within += np.eye(len(within)) * max(np.trace(within) / len(within), np.finfo(np.float32).eps)
    # With within = L L', the cosine of L^-1 x and L^-1 y is that of x and y by the inverse covariance.
    matrix = linalg.solve_triangular(linalg.cholesky(within, lower=True), pca.components_, lower=True).T
    matrix = matrix.astype(np.float32)
    return lambda features: unit((centred(features) - pca.mean_) @ matrix)


TRANSFORMS = {"": leave, "centre": centre, "whiten": whiten}
