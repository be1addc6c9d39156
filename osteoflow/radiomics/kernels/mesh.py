"""Area and volume of pyradiomics' surface mesh, from counts of 2 x 2 x 2 neighbourhoods.

A marching-cubes surface (Lorensen and Cline, Comput Graph 1987;21:163) is made of patches that
depend on the eight voxels of a cell alone. Area and volume of the 256 possible patches are asked
of pyradiomics' own code, one cell at a time; a region is then the sum of its cells' patches.
(Its function for a whole region measures every pair of vertices for the diameters on the way,
which takes most of its time.)
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType

import numpy as np

from osteoflow.compiled import compiled

_UNIT = np.ones(3)


def region_mesh(region: np.ndarray, spacing: tuple[float, float, float]) -> tuple[float, float]:
    """:func:`mesh` of a boolean array with axes x, y, z."""
    # pyradiomics' mesh is not the same after an exchange of axes, which it has in this order.
    solid = np.pad(np.asarray(region, bool).transpose(2, 1, 0), 1).astype(np.uint8)
    return mesh(solid, tuple(float(step) for step in spacing[::-1]))


def mesh(solid: np.ndarray, spacing: tuple[float, float, float]) -> tuple[float, float]:
    """Area and volume of the surface mesh.

    Parameters
    ----------
    solid
        Contiguous 3D uint8 array with axes z, y, x and a border of 0; 1 in the region.
    spacing
        Voxel size in mm along the same axes.

    Returns
    -------
    area, volume
        In mm^2 and mm^3.
    """
    count, position = _cells(solid)
    volume, slope = _volumes()
    whole = float(count @ volume + (position * slope).sum())
    return float(count @ _areas(spacing)), whole * float(np.prod(spacing))


def _cell(index: int) -> np.ndarray:
    """The eight voxels of a cell, by index."""
    return (index >> np.arange(8) & 1).astype(np.int8).reshape(2, 2, 2)


@cache
def _shape_code() -> ModuleType:
    """pyradiomics' compiled code of shapes, alone.

    The package's own start loads image readers, wavelets and parsers of settings, which takes more
    time than all the meshes of a subject.

    Raises
    ------
    ImportError
        pyradiomics is not installed, or was installed without its compiled code.
    """
    package = find_spec("radiomics")
    folders = package.submodule_search_locations if package else None
    found = PathFinder.find_spec("radiomics._cshape", folders) if folders else None
    if found is None or found.loader is None:
        raise ImportError(
            "pyradiomics' compiled module radiomics._cshape, which makes the surface meshes, is "
            "not installed",
            name="radiomics._cshape",
        )
    code = module_from_spec(found)
    found.loader.exec_module(code)
    return code


@lru_cache(maxsize=64)
def _areas(spacing: tuple[float, float, float]) -> np.ndarray:
    """Area of the patch of each cell."""
    code = _shape_code()
    step = np.array(spacing)
    return np.array([code.calculate_coefficients(_cell(k), step)[0] for k in range(256)])


@lru_cache(maxsize=1)
def _volumes() -> tuple[np.ndarray, np.ndarray]:
    """Volume between the origin and the patch of each cell at the origin, and its change per step.

    Moved by one voxel along an axis, a patch spans a volume that grows by the same amount with
    every step. Two cells in a row tell the amount: the first one is known at its place.
    """
    code = _shape_code()

    def spanned(voxels: np.ndarray) -> float:
        return code.calculate_coefficients(np.ascontiguousarray(voxels), _UNIT)[1]

    volume = np.array([spanned(_cell(k)) for k in range(256)])
    slope = np.zeros((256, 3))
    for k in range(256):
        for axis in range(3):
            near = np.take(_cell(k), [0], axis)
            pair = spanned(np.concatenate([near, _cell(k)], axis))
            first = spanned(np.concatenate([near, near], axis))
            slope[k, axis] = pair - first - volume[k]
    return volume, slope


@compiled
def _cells(solid):
    """How often each cell occurs, and the sum of its positions along each axis."""
    count = np.zeros(256)
    position = np.zeros((256, 3))
    for a in range(solid.shape[0] - 1):
        for b in range(solid.shape[1] - 1):
            # Four voxels of the face that the next cell along the row shares.
            face = 0
            for c in range(solid.shape[2] - 1):
                following = np.int64(
                    solid[a, b, c + 1]
                    + 4 * solid[a, b + 1, c + 1]
                    + 16 * solid[a + 1, b, c + 1]
                    + 64 * solid[a + 1, b + 1, c + 1]
                )
                index = face + 2 * following
                face = following
                if index != 0 and index != 255:
                    count[index] += 1
                    position[index, 0] += a
                    position[index, 1] += b
                    position[index, 2] += c
    return count, position
