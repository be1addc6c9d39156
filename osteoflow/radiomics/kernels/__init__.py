"""Texture, intensity and shape features in compiled code, equal to pyradiomics' numbers."""
