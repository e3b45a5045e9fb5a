"""ELECTRA's encoder, as upstream's folder of that name."""
