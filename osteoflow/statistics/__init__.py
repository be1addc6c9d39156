"""Descriptive statistics, tests and agreement."""
