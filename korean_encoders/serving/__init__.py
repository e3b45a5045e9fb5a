"""Fine-tuned runs behind HTTP: a page to try them, and the same as JSON."""
