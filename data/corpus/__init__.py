"""A corpus as a stream of documents, and cleaning it."""
