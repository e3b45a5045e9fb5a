"""Texts, words and questions to what an encoder reads, and its outputs back."""
