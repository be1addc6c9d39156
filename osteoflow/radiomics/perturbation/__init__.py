"""Perturbed images and outlines, to see which features withstand them."""
