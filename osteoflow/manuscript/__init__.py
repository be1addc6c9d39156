"""The tables of a manuscript."""
