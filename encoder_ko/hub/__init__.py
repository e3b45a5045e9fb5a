"""Hugging Face's files from ours, and back."""
