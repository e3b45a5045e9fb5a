"""Optimisers, learning rates, and the update of a training step."""
