"""The page of a pre-training run: its course, and records with what was guessed."""
