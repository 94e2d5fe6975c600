"""From a config to a network that runs: data, rows, first weights."""
