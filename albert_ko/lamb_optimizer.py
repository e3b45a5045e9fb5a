"""LAMB where google-research/albert, lamb_optimizer.py, has it."""

from encoder_ko.optimization.tf_optimizers import LAMBOptimizer

__all__ = ["LAMBOptimizer"]
