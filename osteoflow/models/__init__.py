"""Leakage-proof modelling of an outcome."""
