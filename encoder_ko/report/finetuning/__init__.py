"""The page of a fine-tuning run: by task type, its examples, its data."""
