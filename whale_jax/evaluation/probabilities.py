"""Probabilities of whales, brought into a form that can be submitted, and their metrics."""

import numpy as np

from whale_jax.evaluation import metrics


def normalise(p: np.ndarray, *, floor: float = 0.0) -> np.ndarray:
    """(..., whales) probabilities of at least about `floor`, each row summing to 1.

    Rows that are not finite, of photos that no network has seen, become uniform.
    """
    p = np.where(np.isfinite(p), p, 1 / p.shape[-1]).astype(np.float64)
    p = np.maximum(p, floor)
    return p / p.sum(-1, keepdims=True)


def score(p: np.ndarray, label: np.ndarray, *, floor: float = metrics.KAGGLE_CLIP) -> dict[str, float]:
    """Log loss, top-1 and top-5 of (n, whales) probabilities over the rows whose (n,) label is 0 or more."""
    labelled = label >= 0
    logits, label = np.log(normalise(p, floor=floor))[labelled], label[labelled]
    return {
        "log_loss": float(metrics.log_loss(logits, label).mean()),
        "top1": float(metrics.top_k(logits, label, k=1).mean()),
        "top5": float(metrics.top_k(logits, label, k=5).mean()),
    }
