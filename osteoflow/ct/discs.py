"""Bright, uniform, round discs in an axial image: candidates for the rods of a phantom."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from osteoflow.scipy_parts import ndimage

# Discs are sought by a probe that fits well inside the smallest rod.
PROBE_FRACTION = 0.3
# A rod's inside is uniform: SD within the probe below this (HU) plus 2.5 times the image noise.
UNIFORM_SD = 12.0
UNIFORM_NOISE = 2.5
EDGE_STEP_HU = 40.0
FLAT = 0.1
# Rising thresholds part a rod from a holder that is nearly as bright: steps of 30 HU, of a tenth
# of the threshold where that is more.
LEVEL_STEP_HU = 30.0
LEVEL_STEP_SHARE = 0.1
# Starts closer than this lead to the same outline.
RESTART_MM = 2.0
ROUNDNESS_MM = 1.2
RAYS = 36


@dataclass(frozen=True)
class Disc:
    """A bright disc: centre (2,) in mm from the first voxel's centre, radius in mm, CT numbers
    of its inside and of what surrounds it in HU."""

    centre: np.ndarray
    radius: float
    hu: float
    holder: float


@dataclass(frozen=True)
class Probed:
    """Mean and SD within the probe around every pixel.

    Parameters
    ----------
    mean, spread
        Shape (x, y), HU.
    limit
        SD up to which a place counts as uniform, HU.
    radius
        Of the probe, mm.
    spacing
        Pixel size (2,) in mm.
    """

    mean: np.ndarray
    spread: np.ndarray
    limit: float
    radius: float
    spacing: np.ndarray

    def inverted(self) -> Probed:
        """Of the negative image."""
        return replace(self, mean=-self.mean)

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and SD at positions in mm, shape (n, 2)."""
        pixel = (points / self.spacing).T
        return tuple(
            ndimage.map_coordinates(values, pixel, order=1, mode="nearest")
            for values in (self.mean, self.spread)
        )


def probe(image: np.ndarray, spacing: np.ndarray, noise: float, smallest: float) -> Probed:
    """Mean and SD around every pixel of an image (x, y) in HU.

    Parameters
    ----------
    noise
        Noise SD of the image, HU.
    smallest
        Diameter of the smallest rod, mm.
    """
    radius = max(PROBE_FRACTION * smallest, 1.5 * float(max(spacing)))
    reach = [int(radius // step) for step in spacing]
    x, y = (np.arange(-n, n + 1) * step for n, step in zip(reach, spacing, strict=True))
    kernel = (x[:, None] ** 2 + y**2 <= radius**2).astype(np.float64)
    kernel /= kernel.sum()
    # Values are shifted by their median: the variance is a difference of large squares.
    values = image.astype(np.float64)
    shift = float(np.median(values))
    values = values - shift
    mean = ndimage.convolve(values, kernel, mode="nearest")
    square = ndimage.convolve(values**2, kernel, mode="nearest")
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))
    return Probed(mean + shift, spread, UNIFORM_SD + UNIFORM_NOISE * noise, radius, spacing)


def find_discs(
    image: np.ndarray, probed: Probed, diameter: tuple[float, float], levels: tuple[float, float]
) -> list[Disc]:
    """Discs brighter than their surroundings.

    Parameters
    ----------
    image
        Shape (x, y), HU.
    probed
        Of this image.
    diameter
        Smallest and largest, mm.
    levels
        Lowest and highest CT number of a disc, HU.
    """
    smallest, largest = diameter
    spacing = probed.spacing
    slack = 2 * float(max(spacing))
    uniform = probed.spread <= probed.limit
    discs: list[Disc] = []
    tried = np.empty((0, 2))
    for threshold in _thresholds(*levels):
        labels, count = ndimage.label(uniform & (probed.mean >= threshold))
        if count == 0:
            break
        boxes = ndimage.find_objects(labels)
        for number, box in enumerate(boxes, start=1):
            extent = [(p.stop - p.start) * step for p, step in zip(box, spacing, strict=True)]
            if max(extent) > largest - 2 * probed.radius + slack:
                continue
            inside = np.argwhere(labels[box] == number).mean(axis=0)
            centre = (inside + [p.start for p in box]) * spacing
            known = np.vstack([tried, *(disc.centre for disc in discs)])
            if (np.linalg.norm(known - centre, axis=1) < RESTART_MM).any():
                continue
            tried = np.vstack([tried, centre])
            disc = outline(image, centre, spacing, probed.radius, diameter)
            if disc is not None and not any(
                np.linalg.norm(disc.centre - other.centre) < smallest / 2 for other in discs
            ):
                discs.append(disc)
    return discs


def _thresholds(lowest: float, highest: float) -> list[float]:
    levels = [lowest]
    while levels[-1] < highest:
        levels.append(levels[-1] + max(LEVEL_STEP_HU, LEVEL_STEP_SHARE * levels[-1]))
    return levels


def outline(
    image: np.ndarray,
    centre: np.ndarray,
    spacing: np.ndarray,
    core_radius: float,
    diameter: tuple[float, float],
    contrast: float = EDGE_STEP_HU,
) -> Disc | None:
    """Circle at half contrast along rays from a point inside a bright disc; None without one.

    Parameters
    ----------
    image
        Shape (x, y), HU.
    centre
        Where the rays start, (2,) in mm from the first voxel's centre.
    spacing
        Pixel size (2,) in mm.
    core_radius
        Distance up to which a disc around ``centre`` shows its CT number, mm.
    diameter
        Smallest and largest, mm.
    contrast
        Of the disc to its surroundings at least, HU.
    """
    step = 0.5
    radii = np.arange(0.0, diameter[1] / 2 + 4, step)
    angles = np.arange(RAYS) * 2 * np.pi / RAYS
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for _ in range(3):
        points = centre + radii[:, None, None] * directions
        profile = ndimage.map_coordinates(
            image, np.moveaxis(points / spacing, -1, 0), order=1, mode="nearest"
        )
        profile = ndimage.gaussian_filter1d(profile.astype(float), 0.5 / step, axis=0)
        core = float(profile[radii <= core_radius].mean())
        holder = _holder_level(profile, radii, core, contrast)
        if core - holder < contrast:
            return None
        below = profile < (core + holder) / 2
        inliers = below.any(axis=0)
        if inliers.sum() < 0.75 * RAYS:
            return None
        edge = radii[below.argmax(axis=0)]
        design = np.column_stack([np.ones(RAYS), directions])
        for tolerance in (4.0, 2.0):
            # Distance of the edge = radius + first harmonic, the displacement of the centre.
            solution, *_ = np.linalg.lstsq(design[inliers], edge[inliers], rcond=None)
            residual = edge - design @ solution
            inliers = inliers & (np.abs(residual - np.median(residual[inliers])) <= tolerance)
            if inliers.sum() < RAYS / 2:
                return None
        radius = float(solution[0]) - step / 2
        centre = centre + solution[1:]
    roundness = 1.4826 * float(np.median(np.abs(residual)))
    fits = diameter[0] <= 2 * radius <= diameter[1] and roundness <= ROUNDNESS_MM
    return Disc(centre, radius, core, holder) if fits else None


def _holder_level(profile: np.ndarray, radii: np.ndarray, core: float, contrast: float) -> float:
    """CT number just outside a disc, from its profile along rays, shape (radii, rays).

    A quarter of the rays see something brighter, so that air above and below a flat holder does
    not count; nor does what lies farther from the edge than the holder may be thick.
    """
    level = np.percentile(profile, 75, axis=1)
    falls = np.flatnonzero(level < core - contrast / 2)
    if falls.size == 0:
        return core
    # Down the edge to where it has flattened out: less than a tenth of its depth in 1 mm.
    at, ahead = int(falls[0]), max(1, round(1.0 / (radii[1] - radii[0])))
    while at + ahead < level.size and level[at + ahead] < level[at] - FLAT * (core - level[at]):
        at += 1
    return float(level[at : at + ahead + 1].min())
