"""Using a fine-tuned run: prediction, features, exports."""
