"""Figures, pictures and sheets of crops that a person looks at."""
