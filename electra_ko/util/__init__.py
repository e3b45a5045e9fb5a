"""Names of google-research/electra's util, for programs that import them."""
