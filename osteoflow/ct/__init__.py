"""Quantitative maps from CT."""
