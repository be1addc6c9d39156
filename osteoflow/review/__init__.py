"""Review of masks and maps: the page, and the table of decisions that it exports."""
