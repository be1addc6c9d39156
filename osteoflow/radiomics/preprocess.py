"""Image preparation as the Image Biomarker Standardisation Initiative (IBSI) defines it.

pyradiomics' feature classes agree with IBSI, its own resampling and discretisation do not, so
both are done here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.nifti import orientations
from osteoflow.io.volume import Volume
from osteoflow.radiomics import families, filters
from osteoflow.radiomics.boxes import Box, bounding_box
from osteoflow.radiomics.grid import Grid, PlacedGrid, Placement
from osteoflow.radiomics.settings import RadiomicsSettings
from osteoflow.scipy_parts import ndimage

# A cubic B-spline prefilter forgets by 0.27 per voxel: 16 voxels leave 1e-9 of a step.
SPLINE_MARGIN = 16
# Interpolation weights that are 0.5 in exact arithmetic may come out a few ulp below.
HALF = 0.5 - 1e-9
ORDERS = {"linear": 1, "cubic": 3}
Noise = Callable[[Box, tuple[int, int, int]], np.ndarray]


@dataclass(frozen=True)
class PreparedRegion:
    """A region of interest ready for feature computation.

    Parameters
    ----------
    image
        Float array that holds the region and the surroundings which filters and features need;
        axes run to the right, anterior and superior. Regions prepared together share it.
    box
        Where in ``image`` the region lies.
    morphology
        Region before re-segmentation by intensity (for shape features), of the box's shape.
    intensity
        Region after re-segmentation (for all other features), of the box's shape.
    spacing
        Voxel size in mm along the three axes.
    slice_axis
        Through-plane axis for 2D textures, None for 3D.
    warnings
        What was removed and why.
    """

    image: np.ndarray
    box: Box
    morphology: np.ndarray
    intensity: np.ndarray
    spacing: tuple[float, float, float]
    slice_axis: int | None
    warnings: list[str]

    @property
    def values(self) -> np.ndarray:
        """Intensities of the intensity mask, shape (n,)."""
        return self.image[self.box][self.intensity]


def prepare(image: Volume, mask: np.ndarray, settings: RadiomicsSettings) -> PreparedRegion:
    """One region: see :func:`prepare_regions`.

    Raises
    ------
    ValueError
        Shapes differ or the mask is empty.
    SubjectDataError
        ``no_slice_axis``: a 2D recipe meets an image without thick slices.
    """
    return prepare_regions(image, {"region": mask}, settings)["region"]


def prepare_regions(
    image: Volume,
    masks: Mapping[str, np.ndarray],
    settings: RadiomicsSettings,
    placement: Placement | None = None,
    noise: Noise | None = None,
) -> dict[str, PreparedRegion]:
    """Reorient, crop, resample, round and re-segment the regions of one image together.

    Output grids have ceil(n * s / s') voxels per axis and share the input grid's centre; the
    image is interpolated linearly or cubically with nearest extrapolation, the mask linearly
    with threshold 0.5. Re-segmentation by ``outlier_sd`` takes mean and standard deviation from
    the whole region. Voxels that are not finite take the nearest finite value for interpolation
    and leave the intensity mask.

    Parameters
    ----------
    image
        3D map with ``affine``.
    masks
        Boolean regions of the same shape by name, each with at least one voxel.
    settings
        The recipe.
    placement
        Where else than by its default the output grid lies; image and masks are then interpolated
        once onto it, also where the recipe does not resample. It turns about the middle of the box
        around all regions.
    noise
        ``(part, shape)``, a box of the image (axes to the right, anterior and superior) and the
        whole image's shape -> values that are added to the part's voxels before interpolation.

    Returns
    -------
    dict
        By the names of ``masks``. A region prepared alone or with others has the same values
        (unless the grid is turned).

    Raises
    ------
    ValueError
        Shapes differ or a mask is empty.
    SubjectDataError
        ``no_slice_axis``: a 2D recipe meets an image without thick slices.

    Notes
    -----
    Source: Zwanenburg et al., Radiology 2020;295:328 (IBSI reference manual, image processing).
    """
    _check_masks(image, masks)
    orientation = orientations.io_orientation(image.affine)
    data = orientations.apply_orientation(np.asarray(image.data), orientation)
    turned = {
        name: orientations.apply_orientation(np.asarray(mask, bool), orientation)
        for name, mask in masks.items()
    }
    spacing = _spacing(image, orientation)
    slice_axis = _slice_axis(spacing) if settings.texture == "2D" else None
    target = _target_spacing(spacing, slice_axis, settings)
    about = np.array(data.shape), np.array(spacing), np.array(target)
    bounds = {name: _bounds(mask) for name, mask in turned.items()}
    if placement is None:
        grid = Grid(*about)
    else:
        grid = PlacedGrid(*about, placement, _middle(list(bounds.values())), thickest_axis(spacing))

    margin = np.array(
        [max(filters.reach_mm(settings, step), families.reach_mm(settings)) for step in target]
    )
    boxes = {name: grid.around(bound, 0.0) for name, bound in bounds.items()}
    low = np.min([grid.around(bound, margin)[0] for bound in bounds.values()], axis=0)
    high = np.max([grid.around(bound, margin)[1] for bound in bounds.values()], axis=0)
    prepared, valid = _image(data, grid, low, high, settings, noise)
    if settings.round_to is not None:
        prepared = np.round(prepared / settings.round_to) * settings.round_to

    regions = {}
    for name, mask in turned.items():
        first, last = boxes[name]
        region = _at_least_half(mask, grid, first, last)
        inner = bounding_box(region)
        box = tuple(
            slice(part.start + start, part.stop + start)
            for part, start in zip(inner, first - low, strict=True)
        )
        region = np.ascontiguousarray(region[inner])
        intensity, warnings = _resegmented(prepared[box], region, valid[box], settings)
        regions[name] = PreparedRegion(
            prepared, box, region, intensity, target, slice_axis, warnings
        )
    return regions


def _check_masks(image: Volume, masks: Mapping[str, np.ndarray]) -> None:
    for mask in masks.values():
        if image.data.shape != mask.shape or mask.ndim != 3:
            raise ValueError(f"image {image.data.shape} and mask {mask.shape} must be one 3D shape")
        if not mask.any():
            raise ValueError("the mask is empty")


def feature_grid(
    image: Volume, settings: RadiomicsSettings
) -> tuple[tuple[float, float, float], tuple[float, float, float], int | None]:
    """Voxels as acquired and as features see them (mm to the right, anterior and superior), and
    the slice axis of a 2D recipe.

    Raises
    ------
    SubjectDataError
        ``no_slice_axis``.
    """
    spacing = _spacing(image, orientations.io_orientation(image.affine))
    slice_axis = _slice_axis(spacing) if settings.texture == "2D" else None
    return spacing, _target_spacing(spacing, slice_axis, settings), slice_axis


def _resegmented(
    image: np.ndarray, region: np.ndarray, valid: np.ndarray, settings: RadiomicsSettings
) -> tuple[np.ndarray, list[str]]:
    """The intensity mask, and what has left it."""
    warnings = []
    intensity = region & valid
    if lost := int(region.sum() - intensity.sum()):
        warnings.append(f"{lost} of {int(region.sum())} voxels hold no number and were left out")
    values = image[intensity]
    if settings.range is not None:
        low, high = settings.range
        intensity = intensity & (image >= low) & (image <= high)
    if settings.outlier_sd is not None and values.size:
        mean, spread = values.mean(), settings.outlier_sd * values.std()
        intensity = intensity & (image >= mean - spread) & (image <= mean + spread)
    if outside := int(values.size - intensity.sum()):
        warnings.append(f"{outside} of {values.size} voxels lie outside the intensity range")
    return intensity, warnings


def discretise(values: np.ndarray, settings: RadiomicsSettings, filtered: bool) -> np.ndarray:
    """Grey levels 1..N of the intensities in a region (IBSI fixed bin size or number).

    Parameters
    ----------
    values
        Intensities of the region, shape (n,).
    settings
        The recipe; ``filtered`` images use ``filters.bin_count``.

    Returns
    -------
    numpy.ndarray
        Integers of shape (n,). With a fixed bin size level 1 starts at the lower end of
        ``range``, whether or not the region has voxels there.
    """
    if settings.bin_width is not None and not filtered:
        return np.floor((values - settings.range[0]) / settings.bin_width).astype(int) + 1
    count = settings.filters.bin_count if filtered else settings.bin_count
    low, high = values.min(), values.max()
    if low == high:
        return np.ones(values.shape, int)
    return np.minimum(np.floor(count * (values - low) / (high - low)).astype(int) + 1, count)


def spacing_of(image: Volume) -> tuple[float, float, float]:
    """Voxel size in mm to the right, anterior and superior."""
    return _spacing(image, orientations.io_orientation(image.affine))


def _spacing(image: Volume, orientation: np.ndarray) -> tuple[float, float, float]:
    """Voxel size in mm to the right, anterior and superior (flips and transposes alone: names of
    wavelets and 2D diameters mean the same for every scanner)."""
    spacing = np.empty(3)
    spacing[orientation[:, 0].astype(int)] = image.spacing
    # NIfTI stores single precision; a spacing of 0.6999999 must not change the grid size.
    return tuple(np.round(spacing, 4))


def thickest_axis(spacing: tuple[float, float, float]) -> int | None:
    """The axis across the slices of a scan; None where the voxels are as thick as they are wide."""
    ordered = np.sort(spacing)
    return None if ordered[2] < 1.05 * ordered[1] else int(np.argmax(spacing))


def _slice_axis(spacing: tuple[float, float, float]) -> int:
    axis = thickest_axis(spacing)
    if axis is None:
        voxel = " x ".join(f"{step:g}" for step in spacing)
        raise SubjectDataError(
            "no_slice_axis",
            f"2D texture needs thick slices; voxels of {voxel} mm have no slice axis",
            "Use a 3D recipe for isotropic scans.",
        )
    return axis


def _target_spacing(
    spacing: tuple[float, float, float], slice_axis: int | None, settings: RadiomicsSettings
) -> tuple[float, float, float]:
    if settings.resample_mm is None:
        return spacing
    wanted = np.broadcast_to(np.asarray(settings.resample_mm, float), 3).copy()
    if slice_axis is not None:
        wanted[slice_axis] = spacing[slice_axis]
    return tuple(float(step) for step in wanted)


def _bounds(mask: np.ndarray) -> np.ndarray:
    """First and last voxel of a mask along each axis, shape (2, 3)."""
    box = bounding_box(mask)
    return np.array([[part.start for part in box], [part.stop - 1 for part in box]])


def _middle(bounds: list[np.ndarray]) -> np.ndarray:
    """Middle of the box around several masks, in voxels."""
    together = np.array(bounds)
    return 0.5 * (together[:, 0].min(axis=0) + together[:, 1].max(axis=0))


def _image(
    data: np.ndarray,
    grid: Grid,
    first: np.ndarray,
    last: np.ndarray,
    settings: RadiomicsSettings,
    noise: Noise | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Image and validity on output voxels first..last."""
    extra = 2 if settings.interpolator == "linear" else SPLINE_MARGIN
    crop = grid.needed(first, last, 0 if grid.same else extra)
    whole, data = data.shape, np.asarray(data[crop], float)  # the part, not the scan
    if noise is not None:
        data = data + noise(crop, whole)
    finite = np.isfinite(data)
    if finite.any() and not finite.all():
        nearest = ndimage.distance_transform_edt(
            ~finite, sampling=grid.source, return_distances=False, return_indices=True
        )
        data = data[tuple(nearest)]
    if grid.same:
        return data, finite
    image = grid.interpolate(data, crop, first, last, ORDERS[settings.interpolator])
    if finite.all():
        return image, np.ones(image.shape, bool)
    return image, grid.interpolate(finite.astype(float), crop, first, last, 1) >= HALF


def _at_least_half(mask: np.ndarray, grid: Grid, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Mask on output voxels first..last: where the interpolated mask is 0.5 or more."""
    crop = grid.needed(first, last, 0 if grid.same else 2)
    if grid.same:
        return mask[crop]
    found = grid.interpolate(mask[crop].astype(float), crop, first, last, 1, grid.beyond)
    return found >= HALF
