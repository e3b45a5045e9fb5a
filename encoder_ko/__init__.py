"""What the three models share: encoder, heads, optimisers, training, conversion."""
