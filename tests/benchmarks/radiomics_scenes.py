"""The simulated images of radiomics_peers.py: CT numbers and labelled regions, as NIfTI.

Every voxel size has few decimals in base 2 and 10 alike, so that no program reads another one.
CT numbers are whole, and inside the regions positive, because one peer knows no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from radiomics_child import BIN_COUNT
from scipy import ndimage

AIR, SOFT, BONE = -1000.0, 40.0, 160.0
TEXTURE_HU, NOISE_HU = 18.0, 22.0
VOXELS_EACH = 20_000


@dataclass(frozen=True)
class Scene:
    """An image with regions of about ``VOXELS_EACH`` voxels.

    Parameters
    ----------
    shape, spacing
        Voxels along the axes, and their size in mm.
    regions
        Number of vertebra-like regions, one above the other.
    height
        Slices of a region.
    voxels
        Voxels of a region, about.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    regions: int
    height: int
    voxels: int = VOXELS_EACH


SCENES = {
    "small": Scene((128, 128, 64), (1.0, 1.0, 1.0), 1, 24),
    "clinical": Scene((512, 512, 120), (0.6875, 0.6875, 1.5), 4, 16),
}
# A few voxels of everything, for the run that is not counted.
WARM_UP = Scene((40, 40, 32), (1.0, 1.0, 1.0), 1, 10, voxels=1_000)


def bodies(scene: Scene) -> np.ndarray:
    """Labels 1, 2, ... of elliptic columns with a hollow back wall, shape of the scene, uint8."""
    nx, ny, nz = scene.shape
    x, y = np.meshgrid(np.arange(nx) - nx / 2, np.arange(ny) - ny / 2, indexing="ij")
    area = scene.voxels / scene.height / 0.92  # the hollow takes about 8 %
    wide, deep = np.sqrt(area * 1.35 / np.pi), np.sqrt(area / 1.35 / np.pi)
    labels = np.zeros(scene.shape, np.uint8)
    for number in range(scene.regions):
        # a lordosis: the middle of the column lies further forward
        bend = np.sin(np.pi * (number + 0.5) / scene.regions) * 0.02 * ny
        dx, dy = x - 0.004 * nx * number, y - bend
        inside = (dx / wide) ** 2 + (dy / deep) ** 2 <= 1
        inside &= (dx / (0.55 * wide)) ** 2 + ((dy + 1.05 * deep) / (0.4 * deep)) ** 2 > 1
        middle = round(nz * (number + 0.5) / scene.regions)
        first = middle - scene.height // 2
        labels[:, :, first : first + scene.height][inside] = number + 1
    return labels


def simulate(scene: Scene, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """CT numbers (int16) and labels (uint8) of a scene: a body in air with textured bone."""
    rng = np.random.default_rng(seed)
    nx, ny, _ = scene.shape
    x, y = np.meshgrid(np.linspace(-1, 1, nx), np.linspace(-1, 1, ny), indexing="ij")
    body = (x / 0.9) ** 2 + (y / 0.7) ** 2 <= 1
    labels = bodies(scene)
    image = np.where(body, SOFT, AIR).astype(np.float32)[:, :, None] + np.zeros(
        scene.shape, np.float32
    )
    image[labels > 0] = BONE
    image = ndimage.gaussian_filter(image, 0.7)
    # trabecular structure of some voxels' size in bone, and noise correlated within the slice
    texture = ndimage.gaussian_filter(rng.standard_normal(scene.shape, dtype=np.float32), 1.5)
    image += np.where(labels > 0, texture * (TEXTURE_HU / texture.std()), np.float32(0))
    noise = ndimage.gaussian_filter(
        rng.standard_normal(scene.shape, dtype=np.float32), (0.6, 0.6, 0)
    )
    image += noise * (NOISE_HU / noise.std())
    image = np.round(image).astype(np.int16)
    image[labels > 0] = np.maximum(image[labels > 0], 1)
    return image, labels


def grey_levels(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Levels 1..``BIN_COUNT`` between each region's extremes, 0 outside, int16."""
    levels = np.zeros(image.shape, np.int16)
    for number in range(1, int(labels.max()) + 1):
        values = image[labels == number].astype(float)
        step = np.floor(BIN_COUNT * (values - values.min()) / np.ptp(values)) + 1
        levels[labels == number] = np.minimum(step, BIN_COUNT)
    return levels


def write(scene: Scene, folder: Path) -> None:
    """Write a scene into a new folder.

    ``image.nii.gz`` (int16), ``labels.nii.gz`` (uint8), and ``levels.nii.gz`` (int16) for a peer
    that does not form grey levels as the others do.
    """
    folder.mkdir(parents=True)
    image, labels = simulate(scene)
    affine = np.diag([*scene.spacing, 1.0])
    arrays = {"image": image, "labels": labels, "levels": grey_levels(image, labels)}
    for name, array in arrays.items():
        nifti = nib.Nifti1Image(array, affine)
        nifti.header.set_xyzt_units("mm")
        nib.save(nifti, folder / f"{name}.nii.gz")
