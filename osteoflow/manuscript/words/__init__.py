"""Machine tables in words: one module per subject."""
