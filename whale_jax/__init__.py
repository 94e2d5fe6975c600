"""Finds, aligns and identifies individual right whales in aerial photos, in functional JAX."""
