"""Weighted MRI on a common scale of intensities."""
