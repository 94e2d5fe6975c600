"""One file an experiment: `get_config(preset)` returns an ml_collections.ConfigDict."""
