"""Segmentation programs that outline vertebrae where a study has no masks.

Each program is another project's work: nothing of it is contained here, its weights are staged
beforehand, and it runs without network in a folder of its own.
"""
