"""Metrics of predictions: their registry, calibration, retrieval, test-time augmentation, attribution and caveats."""
