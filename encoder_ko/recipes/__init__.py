"""The chain of commands that makes a published model."""
