"""The digital phantoms of IBSI-2, phase 1: 64 x 64 x 64 voxels of 2 mm with values 0 and 255.

Made from their description in the IBSI reference manual on convolutional filters; the radii of the
sphere's shells in voxels were read off the published phantom.
"""

import numpy as np

SIZE = 64
HIGH = 255.0
SPACING = (2.0, 2.0, 2.0)
CENTRE = 31
# The innermost ball is bright, then dark and bright shells take turns.
SHELLS = (2, 6, 10, 15, 19, 24, 28)


def checkerboard() -> np.ndarray:
    """Cubes of 8 voxels, the first one dark."""
    return HIGH * ((np.indices((SIZE,) * 3) // 8).sum(axis=0) % 2)


def impulse() -> np.ndarray:
    """One bright voxel at index 31 of each axis."""
    image = np.zeros((SIZE,) * 3)
    image[CENTRE, CENTRE, CENTRE] = HIGH
    return image


def sphere() -> np.ndarray:
    """Concentric shells around voxel 31."""
    squared = ((np.indices((SIZE,) * 3) - CENTRE) ** 2).sum(axis=0)
    shell = np.searchsorted(np.square(SHELLS), squared)
    return HIGH * ((shell % 2 == 0) & (shell < len(SHELLS)))


def pattern_1() -> np.ndarray:
    """Three crossing bars of 2 x 2 voxels, one along each axis."""
    image = np.zeros((SIZE,) * 3)
    for axis in range(3):
        bar = [slice(CENTRE, CENTRE + 2)] * 3
        bar[axis] = slice(None)
        image[tuple(bar)] = HIGH
    return image
