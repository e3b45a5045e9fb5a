"""A corpus to a vocabulary."""
