"""Fine-tuning: task types, the model_fn, the whole run and what it leaves."""
