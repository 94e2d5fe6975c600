"""What is said of predictions: metrics, calibration, retrieval, attribution and their caveats."""
