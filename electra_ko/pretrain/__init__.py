"""ELECTRA's pre-training, as upstream's folder of that name."""
