"""Masks, label schemes and volumes of interest."""
