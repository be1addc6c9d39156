"""Form of a region relative to simple bodies, and how its intensities lie in it.

Definitions: Zwanenburg et al., Radiology 2020;295:328 (IBSI reference manual, morphology). What
pyradiomics' shape class has is not repeated. Oriented and minimum-volume boxes and ellipsoids
are left out: their reference values never reached agreement.
"""

from __future__ import annotations

import numpy as np

from osteoflow.radiomics.kernels.mesh import region_mesh
from osteoflow.radiomics.roi import Roi


def morphology_features(roi: Roi) -> dict[str, float]:
    """Compactness, densities in enclosing bodies, shift of the centre of mass.

    Parameters
    ----------
    roi
        The region: form by the morphological mask, intensities by the intensity mask.

    Returns
    -------
    dict
        A value whose body has no volume (a region one voxel thick has no ellipsoid) is not
        finite.

    Notes
    -----
    Volume and surface are those of the mesh at half height between voxel centres. The ellipsoid
    has the axes of ``shape_MajorAxisLength`` and its siblings.
    """
    area, volume = region_mesh(roi.morphology, roi.spacing)
    centres = np.argwhere(roi.morphology) * np.array(roi.spacing)
    sides = np.ptp(centres, axis=0) + roi.spacing
    hull_volume, hull_area = convex_hull(roi.morphology, roi.spacing)
    ellipsoid_volume, ellipsoid_area = ellipsoid(centres)
    values = roi.image[roi.intensity]
    points = np.argwhere(roi.intensity) * np.array(roi.spacing)
    with np.errstate(divide="ignore", invalid="ignore"):
        weighted = (points * values[:, None]).sum(axis=0) / values.sum()
        ratio = area**3 / (36 * np.pi * volume**2)
        return {
            "Compactness1": volume / np.sqrt(np.pi * area**3),
            "Compactness2": 1 / ratio,
            "SphericalDisproportion": np.cbrt(ratio),
            "Asphericity": np.cbrt(ratio) - 1,
            "CentreOfMassShift": np.linalg.norm(weighted - centres.mean(axis=0)),
            "VolumeDensityBox": volume / np.prod(sides),
            "AreaDensityBox": area
            / (2 * (sides[0] * sides[1] + sides[1] * sides[2] + sides[2] * sides[0])),
            "VolumeDensityEllipsoid": np.divide(volume, ellipsoid_volume),
            "AreaDensityEllipsoid": np.divide(area, ellipsoid_area),
            "VolumeDensityConvexHull": volume / hull_volume,
            "AreaDensityConvexHull": area / hull_area,
            "IntegratedIntensity": values.mean() * volume,
        }


def convex_hull(mask: np.ndarray, spacing: tuple[float, float, float]) -> tuple[float, float]:
    """Volume in mm3 and surface in mm2 of the convex hull of a mask's mesh.

    The mesh's corners lie half-way between each voxel inside and each face neighbour outside.
    """
    from scipy.spatial import ConvexHull

    padded = np.pad(mask, 1)
    corners = []
    for axis in range(3):
        crossing = np.argwhere(np.diff(padded, axis=axis)).astype(float)
        crossing[:, axis] += 0.5
        corners.append(crossing)
    hull = ConvexHull(np.concatenate(corners) * np.array(spacing))
    return float(hull.volume), float(hull.area)


def ellipsoid(centres: np.ndarray) -> tuple[float, float]:
    """Volume in mm3 and IBSI's surface in mm2 of the ellipsoid with the spread of some points.

    Parameters
    ----------
    centres
        Voxel centres in mm, shape (n, 3). Half axes are twice the standard deviations (n - 1)
        along the principal axes.

    Notes
    -----
    The surface is the series of Legendre polynomials in IBSI's reference manual, up to degree 20.
    It takes the eccentricities of b and c relative to a, and so converges to less than the true
    surface, which the same series with those of a and b relative to c would give: 4 % less for
    half axes of 5.7, 4.7 and 4.3. IBSI's reference values follow the manual, as this does.
    """
    variances = np.maximum(np.linalg.eigvalsh(np.cov(centres.T)), 0)
    c, b, a = 2 * np.sqrt(variances)
    first, second = 1 - (b / a) ** 2, 1 - (c / a) ** 2
    return float(4 / 3 * np.pi * a * b * c), float(4 * np.pi * a * b * _series(first, second))


def _series(first: float, second: float, degree: int = 20) -> float:
    """Sum of (uv)^n P_n((u^2 + v^2) / 2uv) / (1 - 4 n^2) for squares of u and v, also where 0."""
    mean, product = (first + second) / 2, first * second
    before, term = 0.0, 1.0
    total = 0.0
    for n in range(degree + 1):
        total += term / (1 - 4 * n**2)
        before, term = term, ((2 * n + 1) * mean * term - n * product * before) / (n + 1)
    return total
