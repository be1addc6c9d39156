"""Quantitative maps from MRI."""
