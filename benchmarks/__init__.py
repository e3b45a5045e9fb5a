"""Measurements against other people's code, each one command."""
