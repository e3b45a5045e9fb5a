"""BERT in the shape of google-research/bert, on the shared encoder."""
