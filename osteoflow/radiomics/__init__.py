"""Radiomic features of a region of interest."""
