"""Experiments, a file each: `get_config(preset)` returns the ml_collections.ConfigDict that whale_jax.main runs."""
