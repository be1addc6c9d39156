"""Sample solids onto an image grid, and label the vertebral bodies there."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from scipy import ndimage

from osteoflow.resources import read_resource
from osteoflow.simulate.anatomy import Anatomy, Part
from osteoflow.simulate.geometry import Grid, occupancy

Coordinates = tuple[np.ndarray, np.ndarray, np.ndarray]
Properties = Callable[[Part, Coordinates], tuple[np.ndarray | float, ...]]

TOTALSEGMENTATOR_V2 = {"T12": 32, "L1": 31, "L2": 30, "L3": 29, "L4": 28, "L5": 27}


def tissue_table() -> dict[str, dict[str, float]]:
    """Nominal properties (hu, proton_density, fat_fraction in %, r2star in 1/s) by tissue."""
    return {
        row["tissue"]: {key: float(value) for key, value in row.items() if key != "tissue"}
        for row in read_resource("simulation_tissues.tsv")
    }


def paint(
    parts: Iterable[Part],
    grid: Grid,
    edge_mm: float,
    layers: tuple[np.ndarray, ...],
    properties: Properties,
) -> None:
    """Paint solids over one another with soft edges.

    Parameters
    ----------
    parts
        Solids in painting order.
    grid
        Sampling points of the layers.
    edge_mm
        Width over which a surface blends into what lies below it.
    layers
        One array over the grid per property, changed in place.
    properties
        Function from a part and coordinates to the values of all layers there.
    """
    for part in parts:
        box = grid.box(part.lower, part.upper)
        if box is None:
            continue
        coordinates = grid.coordinates(box)
        weight = occupancy(part.distance(*coordinates), edge_mm)
        for layer, value in zip(layers, properties(part, coordinates), strict=True):
            view = layer[box]
            view += weight * (value - view)


def body_labels(
    anatomy: Anatomy,
    grid: Grid,
    levels: tuple[str, ...],
    contour_error_mm: float = 0.0,
    contour_bias_mm: float = 0.0,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Label map of the vertebral bodies, cortex included, in TotalSegmentator v2 numbers.

    Parameters
    ----------
    anatomy
        The solids.
    grid
        Image grid; a voxel belongs to a body if its centre does.
    levels
        Levels to label.
    contour_error_mm, contour_bias_mm
        SD and mean of a reader's deviation along the surface normal; smooth over about 8 mm.
    rng
        Source of the deviation; needed if ``contour_error_mm`` is not 0.

    Returns
    -------
    numpy.ndarray
        uint8 array of the grid's shape.
    """
    labels = np.zeros(grid.shape, np.uint8)
    for level in levels:
        vertebra = anatomy.vertebrae[level]
        low, high = vertebra.bounds
        reach = 4 * contour_error_mm + abs(contour_bias_mm)
        box = grid.box(tuple(np.array(low) - reach), tuple(np.array(high) + reach))
        if box is None:
            continue
        distance = vertebra.distance(*grid.coordinates(box)) - np.float32(contour_bias_mm)
        if contour_error_mm:
            sigma = [8 / 2.355 / s for s in grid.spacing]
            noise = ndimage.gaussian_filter(
                rng.standard_normal(distance.shape, dtype=np.float32), sigma, mode="wrap"
            )
            distance = distance - np.float32(contour_error_mm) * noise / noise.std()
        labels[box][distance < 0] = TOTALSEGMENTATOR_V2[level]
    return labels
