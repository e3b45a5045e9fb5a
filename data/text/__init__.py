"""Characters: Unicode tables, text with the places it came from, cleaning."""
