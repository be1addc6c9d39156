"""Shape of a region: mesh, diameters, principal axes."""

from __future__ import annotations

import math

import numpy as np

from osteoflow.compiled import compiled
from osteoflow.radiomics.kernels.diameters import diameters
from osteoflow.radiomics.kernels.mesh import mesh


def shape_features(region: np.ndarray, spacing: tuple[float, float, float]) -> dict[str, float]:
    """All shape features.

    Parameters
    ----------
    region
        3D boolean array with axes x, y, z, not empty.
    spacing
        Voxel size in mm.

    Notes
    -----
    Axis lengths come from the sample covariance of the voxel centres (n - 1), as IBSI defines
    them.
    """
    # pyradiomics' mesh is not the same after an exchange of axes, which it has in this order.
    solid = np.pad(np.asarray(region, bool).transpose(2, 1, 0), 1).astype(np.uint8)
    step = np.array(spacing, float)[::-1]
    area, volume = mesh(solid, tuple(step.tolist()))
    across, largest = diameters(solid, step)
    n, covariance = _covariance(solid, step)
    variances = np.linalg.eigvalsh(covariance)
    variances[(variances < 0) & (variances > -1e-10)] = 0.0  # rounding of a flat region
    least, minor, major = (4.0 * np.sqrt(variances)).tolist()
    sample = math.sqrt(n / (n - 1)) if n > 1 else math.nan
    return {
        "Elongation": minor / major if major > 0 else math.nan,
        "Flatness": least / major if major > 0 else math.nan,
        "LeastAxisLength": least * sample,
        "MajorAxisLength": major * sample,
        "Maximum2DDiameterColumn": across[1],
        "Maximum2DDiameterRow": across[2],
        "Maximum2DDiameterSlice": across[0],
        "Maximum3DDiameter": largest,
        "MeshVolume": volume,
        "MinorAxisLength": minor * sample,
        "Sphericity": (36.0 * math.pi * volume**2) ** (1 / 3) / area,
        "SurfaceArea": area,
        "SurfaceVolumeRatio": area / volume,
        "VoxelVolume": n * float(np.prod(step)),
    }


@compiled
def _covariance(solid, step):
    """Number of voxels, and covariance of their centres (over n)."""
    n = 0
    mean = np.zeros(3)
    for a in range(solid.shape[0]):
        for b in range(solid.shape[1]):
            for c in range(solid.shape[2]):
                if solid[a, b, c]:
                    n += 1
                    mean[0] += a
                    mean[1] += b
                    mean[2] += c
    mean /= n
    sums = np.zeros((3, 3))
    d = np.zeros(3)
    for a in range(solid.shape[0]):
        d[0] = a - mean[0]
        for b in range(solid.shape[1]):
            d[1] = b - mean[1]
            for c in range(solid.shape[2]):
                if solid[a, b, c]:
                    d[2] = c - mean[2]
                    for i in range(3):
                        for j in range(i + 1):
                            sums[i, j] += d[i] * d[j]
    for i in range(3):
        for j in range(i + 1):
            sums[i, j] *= step[i] * step[j] / n
            sums[j, i] = sums[i, j]
    return n, sums
