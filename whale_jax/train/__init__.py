"""State, steps, optimisers, checkpoints and the one loop."""
