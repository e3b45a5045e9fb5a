"""Pre-training: objectives, masking in the graph, the model_fn, the whole run."""
