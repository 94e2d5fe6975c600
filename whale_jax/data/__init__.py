"""Photos, annotations, splits and views: read and checked once, written once."""
