"""ELECTRA's fine-tuning, as upstream's folder of that name."""
