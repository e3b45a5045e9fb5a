"""ALBERT in the shape of google-research/albert, on the shared encoder."""
