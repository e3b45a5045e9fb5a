"""Metrics, baselines, published results and pictures of them."""
