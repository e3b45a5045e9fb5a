"""Text to examples to TFRecords to features. Knows no model."""
