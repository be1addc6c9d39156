"""Other contours of a region: grown, shrunk, or drawn differently at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.radiomics.boxes import Box, bounding_box
from osteoflow.radiomics.perturbation.supervoxels import supervoxels
from osteoflow.scipy_parts import ndimage

# Range of the weights that tell a hollow of the surface from a bump, in voxels.
SURFACE_SIGMA = 1.5


class Contour:
    """One region in the part of the image around it, and how its outline may change.

    Parameters
    ----------
    mask
        The region, not empty.
    spacing
        Voxel size in mm.
    growth
        Fractions of the volume by which the region is to grow (shrink, if negative).
    size_mm
        Edge of supervoxels.

    Attributes
    ----------
    box
        Part of the grid in which all these contours lie.
    """

    def __init__(
        self,
        mask: np.ndarray,
        spacing: tuple[float, float, float],
        growth: Sequence[float],
        size_mm: float,
    ) -> None:
        self.shape, self.spacing, self.size_mm = mask.shape, spacing, size_mm
        inner = bounding_box(mask)
        self.inside = mask[inner]
        self.n_voxels = int(self.inside.sum())
        most = max([*map(abs, growth), 0.0])
        # A body grows by less than f r for a fraction f, r being the radius of a sphere as large.
        radius = (0.75 / np.pi * self.n_voxels * float(np.prod(spacing))) ** (1 / 3)
        self._margin = most * radius + 2 * size_mm
        self.box = _wider(inner, self._margin, spacing, mask.shape)
        self.inside = mask[self.box]
        self._distance = _signed_distance(self.inside, spacing)
        self._order = self._by_distance() if most else None
        self._labels: np.ndarray | None = None

    def _by_distance(self) -> tuple[np.ndarray, np.ndarray]:
        """Voxels outside and inside, each from the surface away.

        Of voxels at the same distance those in hollows come first when the region grows, those on
        bumps first when it shrinks.
        """
        weight = ndimage.gaussian_filter(self.inside.astype(float), SURFACE_SIGMA).ravel()
        distance, inside = self._distance.ravel(), self.inside.ravel()
        outside, within = np.flatnonzero(~inside), np.flatnonzero(inside)
        # Rounded: equal distances differ by their rounding errors.
        first = np.lexsort((-weight[outside], np.round(distance[outside], 6)))
        second = np.lexsort((weight[within], np.round(-distance[within], 6)))
        return outside[first], within[second]

    def grown(self, fraction: float) -> np.ndarray:
        """The region with its volume changed by a fraction, to one voxel.

        Voxels are added or taken in the order of their distance from the surface.

        Raises
        ------
        ValueError
            The object was not made for any growth.
        SubjectDataError
            ``cannot_grow``: the fraction leaves no voxel, or needs more than there are around.
        """
        change = round(fraction * self.n_voxels)
        result = self.inside.copy()
        if not change:
            return result
        if self._order is None:
            raise ValueError("growth was not prepared for")
        outside, within = self._order
        if change >= len(outside) or -change >= len(within):
            raise SubjectDataError(
                "cannot_grow",
                f"the region of {self.n_voxels} voxels cannot change by {change}: the image ends",
                "See whether the outline fills the image; leave growth out otherwise.",
            )
        flat = result.reshape(-1)
        if change > 0:
            flat[outside[:change]] = True
        else:
            flat[within[:-change]] = False
        return result

    def randomised(
        self, region: np.ndarray, image: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """The region drawn anew of whole supervoxels.

        A supervoxel belongs to the new region with a probability that is the part of it inside the
        old one, so that the volume stays the same on average. Holes are filled.

        Parameters
        ----------
        region
            In :attr:`box`.
        image
            The whole map, whose intensities shape the supervoxels (the same ones each time).
        rng
            Source of random numbers.
        """
        if self._labels is None:
            near = np.abs(self._distance) <= self._margin
            part = np.asarray(image[self.box], float)
            self._labels = supervoxels(part, near, self.spacing, self.size_mm)
        labels = self._labels
        near = labels >= 0
        all_voxels = np.bincount(labels[near], minlength=1)
        own = np.bincount(labels[near & region], minlength=len(all_voxels))
        chosen = rng.random(len(all_voxels)) * all_voxels < own
        result = region.copy()
        result[near] = chosen[labels[near]]
        return filled(result)

    def whole(self, region: np.ndarray) -> np.ndarray:
        """A region in :attr:`box` as a mask of the whole grid."""
        mask = np.zeros(self.shape, bool)
        mask[self.box] = region
        return mask


def filled(region: np.ndarray) -> np.ndarray:
    """A region without holes."""
    outside, _ = ndimage.label(np.pad(~region, 1, constant_values=True))
    return (outside != outside[0, 0, 0])[1:-1, 1:-1, 1:-1]


def _signed_distance(inside: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """Distance from the region in mm, negative within it."""
    outer = ndimage.distance_transform_edt(~inside, sampling=spacing)
    return outer - ndimage.distance_transform_edt(inside, sampling=spacing)


def _wider(
    box: Box, margin: float, spacing: tuple[float, float, float], shape: tuple[int, ...]
) -> Box:
    """A box with a margin in mm and two voxels on all sides, as far as the image goes."""
    found = []
    for part, step, size in zip(box, spacing, shape, strict=True):
        more = int(np.ceil(margin / step)) + 2
        found.append(slice(max(part.start - more, 0), min(part.stop + more, size)))
    return tuple(found)
