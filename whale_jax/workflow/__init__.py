"""Stages in folders: their inputs, shards, processes and results."""
