"""The encoder as a graph: layers, transformer, heads. Knows no flags and no files."""
