"""Values of an image as colours."""

from __future__ import annotations

from functools import cache

import numpy as np

from osteoflow.resources import read_resource

STEPS = 256


@cache
def colour_table(name: str) -> np.ndarray:
    """Colours from the least to the greatest value shown.

    Parameters
    ----------
    name
        ``gray`` or a column of ``resources/colour_maps.tsv``.

    Returns
    -------
    uint8 of shape (256, 3)
        Red, green, blue.

    Raises
    ------
    ValueError
        There is no such map.
    """
    if name == "gray":
        return np.repeat(np.arange(STEPS, dtype=np.uint8)[:, None], 3, axis=1)
    rows = read_resource("colour_maps.tsv")
    if name not in rows[0].keys() - {"step"}:
        raise ValueError(f"unknown colour map: {name}")
    return np.array([rgb(row[name]) for row in rows], np.uint8)


def rgb(colour: str) -> tuple[int, int, int]:
    """``#56B4E9`` as red, green and blue from 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def coloured(values: np.ndarray, window: tuple[float, float], name: str) -> np.ndarray:
    """Values as colours, those beyond the window as its ends; what is no number is black.

    Parameters
    ----------
    values
        Any shape.
    window
        Least and greatest value shown.
    name
        As for :func:`colour_table`.

    Returns
    -------
    uint8 of shape (..., 3)
    """
    low, high = window
    shade = np.clip((values.astype(float) - low) / (high - low), 0, 1)
    known = np.isfinite(shade)
    steps = np.minimum(np.where(known, shade, 0) * STEPS, STEPS - 1).astype(int)
    return np.where(known[..., None], colour_table(name)[steps], np.uint8(0))
