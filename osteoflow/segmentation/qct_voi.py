"""Further volumes of quantitative CT in a vertebral body: the elliptical cylinder and the shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from osteoflow.io.volume import Volume
from osteoflow.segmentation.body import Body
from osteoflow.segmentation.schemes import level_name
from osteoflow.segmentation.voi import DEFAULT_MINIMUM_VOXELS, surface_distance


@dataclass(frozen=True)
class Ellipse:
    """Shape of the elliptical cylinder.

    Attributes
    ----------
    height
        Share of the body's height, around its middle.
    depth
        Share of the body's depth, from the front.
    width
        Share of the body's width, around its middle.
    margin_mm
        Least distance to the body's surface, endplates and posterior wall included.
    basivertebral_mm
        Half width and half height of the channel that is left out from the middle of the
        posterior wall to the body's centre; 0: none.
    """

    height: float = 1 / 3
    depth: float = 2 / 3
    width: float = 0.7
    margin_mm: float = 4.0
    basivertebral_mm: float = 4.0


def elliptical_voi(
    labels: Volume,
    bodies: Mapping[int, Body],
    shape: Ellipse,
    minimum_voxels: int = DEFAULT_MINIMUM_VOXELS,
) -> tuple[Volume, list[str]]:
    """Elliptical cylinder in the middle of each body, clear of cortex, endplates and vein.

    Parameters
    ----------
    labels
        Label map of the vertebrae.
    bodies
        Their bodies by VerSe id.
    shape
        Size of the cylinder.
    minimum_voxels
        Bodies with fewer voxels inside it have none, with a warning.

    Returns
    -------
    tuple
        Label map (same ids) and warnings.

    Notes
    -----
    An ellipse in the anterior part of a slab about 1 cm high at mid height is what spinal QCT
    measures (Cann and Genant, J Comput Assist Tomogr 1980;4:493; Kalender et al., Eur J Radiol
    1987;7:75; Engelke et al. for the ISCD, J Clin Densitom 2008;11:123). Shares of height, depth
    and width here follow the body's own endplates, so a wedged or tilted body is cut along them;
    the values are settings, and the defaults this project's choice within that convention. The
    basivertebral vein leaves the body through the middle of the posterior wall.
    """
    result = np.zeros(labels.shape, np.uint8)
    warnings = []
    for number, body in bodies.items():
        if body.cut:
            warnings.append(f"{level_name(number)}: cut by the image's border: no ellipse")
            continue
        inside = _in_ellipse(body, labels, shape)
        if (count := int(inside.sum())) < minimum_voxels:
            warnings.append(
                f"{level_name(number)}: {count} voxels in the ellipse, fewer than {minimum_voxels}:"
                " left out"
            )
            continue
        result[body.box][inside] = number
    return labels.like(result), warnings


def _in_ellipse(body: Body, labels: Volume, shape: Ellipse) -> np.ndarray:
    u, v, w = np.moveaxis(body.coordinates(labels.affine), -1, 0)
    walls = body.walls
    upper, lower = (p[0] + p[1] * u + p[2] * v for p in (walls.upper, walls.lower))
    thickness = np.maximum(upper - lower, 1e-3)
    off_middle = (w - (upper + lower) / 2) / thickness
    back, front = (fit[0] + fit[1] * w for fit in (walls.back, walls.front))
    far = front - shape.depth * (front - back)
    near = front - shape.margin_mm
    half_depth = np.maximum((near - far) / 2, 1e-3)
    half_width = min(shape.width * walls.width / 2, walls.width / 2 - shape.margin_mm)
    across = (u / half_width) ** 2 + ((v - (near + far) / 2) / half_depth) ** 2
    inside = body.mask & (across <= 1) & (np.abs(off_middle) <= shape.height / 2)
    if shape.basivertebral_mm > 0:
        vein = (np.abs(u) < shape.basivertebral_mm) & (v < (front + back) / 2)
        inside &= ~(vein & (np.abs(off_middle * thickness) < shape.basivertebral_mm))
    depth = surface_distance(body.mask, np.array(labels.spacing))
    return inside & (depth >= shape.margin_mm - 1e-6)


def cortical_shell(
    labels: Volume, bodies: Mapping[int, Body], thickness_mm: float
) -> tuple[Volume, list[str]]:
    """The outer layer of each body: its shell, partial volume included.

    Parameters
    ----------
    labels
        Label map of the vertebrae.
    bodies
        Their bodies by VerSe id.
    thickness_mm
        A voxel belongs to the shell if its centre lies less than this below the mask's surface.
        Where the arch has been parted from the body, and at the image's border, there is none.

    Returns
    -------
    tuple
        Label map (same ids) and warnings.

    Raises
    ------
    ValueError
        ``thickness_mm`` is not positive.

    Notes
    -----
    The cortex of a vertebral body is some 0.4 mm thick (Ritzel et al., J Bone Miner Res
    1997;12:89), so no clinical CT shows it alone: a density of this shell is that of cortex,
    marrow and surrounding tissue together.
    """
    if not thickness_mm > 0:
        raise ValueError(f"the shell's thickness must be positive, not {thickness_mm}")
    result = np.zeros(labels.shape, np.uint8)
    for number, body in bodies.items():
        vertebra = labels.data[body.box] == number
        reach = [
            ((part.start == 0) * 2 + 1, (part.stop == n) * 2 + 1)
            for part, n in zip(body.box, labels.shape, strict=True)
        ]
        # The mask goes on beyond the image's border, and ends everywhere else.
        wide = np.pad(vertebra, [(low - 1, high - 1) for low, high in reach], mode="edge")
        wide = np.pad(wide, 1)
        depth = surface_distance(wide, np.array(labels.spacing))
        inner = tuple(
            slice(low, n - high) for (low, high), n in zip(reach, wide.shape, strict=True)
        )
        shell = body.mask & (depth[inner] < thickness_mm)
        result[body.box][shell] = number
    warnings = []
    if max(labels.spacing) > thickness_mm:
        size = " x ".join(f"{step:.3g}" for step in labels.spacing)
        warnings.append(
            f"cortical_shell: voxels of {size} mm are coarser than a shell of {thickness_mm:g} mm; "
            "its numbers are means of cortex and what lies beside it"
        )
    return labels.like(result), warnings
