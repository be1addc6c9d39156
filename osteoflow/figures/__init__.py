"""Figures for a manuscript."""
