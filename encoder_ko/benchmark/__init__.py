"""One model on many tasks: plan, runs, report."""
