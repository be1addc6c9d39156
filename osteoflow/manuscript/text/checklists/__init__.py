"""Reporting checklists, filled from what a run did; the rest is left to the authors by name."""
