"""report.html, the page at the end of a run: what the model does, and on what."""
