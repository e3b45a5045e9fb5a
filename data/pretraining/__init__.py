"""Text to pre-training records: instances, masks, shards, the build."""
