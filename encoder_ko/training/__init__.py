"""Shared by pre-training and fine-tuning: estimator, hooks, checkpoints, run folder."""
