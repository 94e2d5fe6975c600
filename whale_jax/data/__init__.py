"""Photos, annotations, splits and views: what is read, checked and written once."""
