"""ELECTRA in the shape of google-research/electra, on the shared encoder."""
