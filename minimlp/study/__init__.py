"""Studies: many runs, a log that survives anything, and verdicts computed from the data."""
