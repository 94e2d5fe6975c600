"""Stages, one file each. A program has DEFAULTS, the keys of its config, and `run(config, workdir) -> result`."""
