"""A small isotropic grid around the spine on which seeds grow, and the way back to the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.scipy_parts import ndimage

STEP_MM = 1.5
MARGIN_MM = np.array([42.0, 42.0, 34.0])
# SD in steps of the smoothing of labels before they are sampled on the image's grid.
LABEL_SMOOTHING = 1.0


@dataclass(frozen=True)
class SeedGrid:
    """Grid along the patient's axes: values (i, j, k) at ``origin + STEP_MM * index``, RAS mm."""

    values: np.ndarray
    origin: np.ndarray

    @property
    def points(self) -> list[np.ndarray]:
        """x, y and z of the grid's points in RAS mm, mutually broadcastable, float32."""
        index = np.ogrid[tuple(slice(0, n) for n in self.values.shape)]
        return [
            np.float32(o) + np.float32(STEP_MM) * i for o, i in zip(self.origin, index, strict=True)
        ]

    @property
    def affine(self) -> np.ndarray:
        """From indices to RAS mm."""
        affine = np.diag([STEP_MM] * 3 + [1.0])
        affine[:3, 3] = self.origin
        return affine

    def index_of(self, points: np.ndarray) -> np.ndarray:
        """Indices (fractional) of RAS points, shape (..., 3)."""
        return (points - self.origin) / STEP_MM

    def gradient(self, sigma_mm: float) -> list[np.ndarray]:
        """Derivatives per mm along x, y and z after Gaussian smoothing."""
        sigma = sigma_mm / STEP_MM
        orders = np.eye(3, dtype=int)
        return [
            ndimage.gaussian_filter(self.values, sigma, order=order, mode="nearest") / STEP_MM
            for order in orders
        ]


def seed_grid(image: Volume, centres: np.ndarray, limits: tuple[float, float]) -> SeedGrid:
    """Resample the surroundings of points.

    Parameters
    ----------
    image
        3-D volume.
    centres
        RAS mm, shape (n, 3).
    limits
        Values beyond are set to them: metal and air must not outweigh bone.

    Notes
    -----
    Only the part of the image around the points is read. Along axes finer than the grid it is
    smoothed first, against aliasing; values in between are linear.
    """
    index = np.array(np.meshgrid(*[(0, n - 1) for n in image.shape], indexing="ij"))
    corners = image.affine[:3, :3] @ index.reshape(3, -1) + image.affine[:3, 3:]
    low = np.maximum(centres.min(axis=0) - MARGIN_MM, corners.min(axis=1))
    high = np.minimum(centres.max(axis=0) + MARGIN_MM, corners.max(axis=1))
    shape = tuple(int(n) + 1 for n in np.floor((high - low) / STEP_MM))
    grid = np.diag([STEP_MM] * 3 + [1.0])
    grid[:3, 3] = low
    to_image = np.linalg.inv(image.affine) @ grid
    start, stop = _box(to_image, shape, image.shape, 3)
    part = image.data[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    part = np.clip(np.asarray(part, np.float32), *limits)
    spacing = np.array(image.spacing)
    finer = np.maximum((STEP_MM / spacing) ** 2 - 1, 0)
    part = ndimage.gaussian_filter(part, 0.3 * np.sqrt(finer), mode="nearest")
    values = ndimage.affine_transform(
        part, to_image[:3, :3], to_image[:3, 3] - start, shape, order=1, mode="nearest"
    )
    return SeedGrid(values, low)


def to_image(labels: np.ndarray, grid: SeedGrid, image: Volume, numbers: list[int]) -> Volume:
    """Labels 1, 2 ... of a seed grid as a label map on the image's grid.

    Parameters
    ----------
    labels
        Of the seed grid's shape; label ``n`` becomes ``numbers[n - 1]``.
    grid, image
        Where they lie and where they shall lie.
    numbers
        VerSe ids.

    Returns
    -------
    Volume
        uint8; a voxel belongs to the label whose smoothed indicator is largest and above half.
    """
    result = np.zeros(image.shape, np.uint8)
    start, stop = _box(np.linalg.inv(image.affine) @ grid.affine, labels.shape, image.shape, 1)
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    to_grid = np.linalg.inv(grid.affine) @ image.affine
    offset = to_grid[:3, :3] @ start + to_grid[:3, 3]
    best = np.full(tuple(stop - start), 0.5, np.float32)
    for label, number in enumerate(numbers, start=1):
        share = ndimage.gaussian_filter((labels == label).astype(np.float32), LABEL_SMOOTHING)
        sampled = ndimage.affine_transform(share, to_grid[:3, :3], offset, best.shape, order=1)
        won = sampled > best
        result[box][won] = number
        best[won] = sampled[won]
    return image.like(result)


def _box(
    matrix: np.ndarray, shape: tuple[int, ...], limits: tuple[int, ...], margin: int
) -> tuple[np.ndarray, np.ndarray]:
    """Smallest index box, with a margin, that holds a grid mapped by a matrix."""
    index = np.array(np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij")).reshape(3, -1)
    mapped = matrix[:3, :3] @ index + matrix[:3, 3:]
    start = np.maximum(np.floor(mapped.min(axis=1)).astype(int) - margin, 0)
    stop = np.minimum(np.ceil(mapped.max(axis=1)).astype(int) + 1 + margin, limits)
    return start, stop
