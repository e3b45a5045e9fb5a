"""Users' files: opening, reading, naming what is wrong. Knows no corpus and no task."""
