"""Image preparation as the Image Biomarker Standardisation Initiative (IBSI) defines it.

pyradiomics' feature classes agree with IBSI, its own resampling and discretisation do not, so
both are done here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from osteoflow.errors import SubjectDataError
from osteoflow.io.nifti import nib
from osteoflow.io.volume import Volume
from osteoflow.radiomics.settings import RadiomicsSettings

# A cubic B-spline prefilter forgets by 0.27 per voxel: 16 voxels leave 1e-9 of a step.
SPLINE_MARGIN = 16
# Interpolation weights that are 0.5 in exact arithmetic may come out a few ulp below.
HALF = 0.5 - 1e-9
ORDERS = {"linear": 1, "cubic": 3}


@dataclass(frozen=True)
class PreparedRegion:
    """A region of interest ready for feature computation.

    Parameters
    ----------
    image
        Float array cropped around the region; axes run to the right, anterior and superior.
    morphology
        Region before re-segmentation by intensity (for shape features).
    intensity
        Region after re-segmentation (for all other features).
    spacing
        Voxel size in mm along the three axes.
    slice_axis
        Through-plane axis for 2D textures, None for 3D.
    warnings
        What was removed and why.
    """

    image: np.ndarray
    morphology: np.ndarray
    intensity: np.ndarray
    spacing: tuple[float, float, float]
    slice_axis: int | None
    warnings: list[str]


def prepare(image: Volume, mask: np.ndarray, settings: RadiomicsSettings) -> PreparedRegion:
    """Reorient, crop, resample, round and re-segment.

    Output grids have ceil(n * s / s') voxels per axis and share the input grid's centre; the
    image is interpolated linearly or cubically with nearest extrapolation, the mask linearly
    with threshold 0.5. Re-segmentation by ``outlier_sd`` takes mean and standard deviation from
    the whole region. Voxels that are not finite take the nearest finite value for interpolation
    and leave the intensity mask.

    Parameters
    ----------
    image
        3D map with ``affine``.
    mask
        Boolean region of the same shape with at least one voxel.
    settings
        The recipe.

    Raises
    ------
    ValueError
        Shapes differ or the mask is empty.
    SubjectDataError
        ``no_slice_axis``: a 2D recipe meets an image without thick slices.

    Notes
    -----
    Source: Zwanenburg et al., Radiology 2020;295:328 (IBSI reference manual, image processing).
    """
    if image.data.shape != mask.shape or mask.ndim != 3:
        raise ValueError(f"image {image.data.shape} and mask {mask.shape} must be one 3D shape")
    mask = np.asarray(mask, bool)
    if not mask.any():
        raise ValueError("the mask is empty")
    data, mask, spacing = _canonical(image, mask)
    slice_axis = _slice_axis(spacing) if settings.texture == "2D" else None
    target = _target_spacing(spacing, slice_axis, settings)
    margin = np.array([_margin_mm(settings, step) for step in target])
    prepared, region, valid = _resample(data, mask, spacing, target, margin, settings)

    if settings.round_to is not None:
        prepared = np.round(prepared / settings.round_to) * settings.round_to
    warnings = []
    intensity = region & valid
    if lost := int(region.sum() - intensity.sum()):
        warnings.append(f"{lost} of {int(region.sum())} voxels hold no number and were left out")
    values = prepared[intensity]
    if settings.range is not None:
        low, high = settings.range
        intensity = intensity & (prepared >= low) & (prepared <= high)
    if settings.outlier_sd is not None and values.size:
        mean, spread = values.mean(), settings.outlier_sd * values.std()
        intensity = intensity & (prepared >= mean - spread) & (prepared <= mean + spread)
    if outside := int(values.size - intensity.sum()):
        warnings.append(f"{outside} of {values.size} voxels lie outside the intensity range")
    return PreparedRegion(prepared, region, intensity, target, slice_axis, warnings)


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


def _canonical(image: Volume, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple]:
    """Axes to right, anterior, superior by flips and transposes alone (names of wavelets and
    2D diameters then mean the same for every scanner)."""
    orientation = nib.orientations.io_orientation(image.affine)
    data = nib.orientations.apply_orientation(np.asarray(image.data, float), orientation)
    mask = nib.orientations.apply_orientation(mask, orientation)
    spacing = np.empty(3)
    spacing[orientation[:, 0].astype(int)] = image.spacing
    # NIfTI stores single precision; a spacing of 0.6999999 must not change the grid size.
    return data, mask, tuple(np.round(spacing, 4))


def _slice_axis(spacing: tuple[float, float, float]) -> int:
    ordered = np.sort(spacing)
    if ordered[2] < 1.05 * ordered[1]:
        voxel = " x ".join(f"{step:g}" for step in spacing)
        raise SubjectDataError(
            "no_slice_axis",
            f"2D texture needs thick slices; voxels of {voxel} mm have no slice axis",
            "Use a 3D recipe for isotropic scans.",
        )
    return int(np.argmax(spacing))


def _target_spacing(
    spacing: tuple[float, float, float], slice_axis: int | None, settings: RadiomicsSettings
) -> tuple[float, float, float]:
    if settings.resample_mm is None:
        return spacing
    wanted = np.broadcast_to(np.asarray(settings.resample_mm, float), 3).copy()
    if slice_axis is not None:
        wanted[slice_axis] = spacing[slice_axis]
    return tuple(float(step) for step in wanted)


def _margin_mm(settings: RadiomicsSettings, step: float) -> float:
    """Surroundings that filters see: 4 sigma, or the support of the wavelet."""
    filters = settings.filters
    margin = 4.0 * max(filters.log_sigma_mm, default=0.0)
    if filters.wavelet is not None:
        import pywt

        margin = max(margin, (pywt.Wavelet(filters.wavelet).dec_len + 2) * step)
    return margin


def _resample(
    data: np.ndarray,
    mask: np.ndarray,
    spacing: tuple,
    target: tuple,
    margin: np.ndarray,
    settings: RadiomicsSettings,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image, region and validity on the part of the output grid that the region needs."""
    shape, source, step = np.array(data.shape), np.array(spacing), np.array(target)
    size = np.ceil(shape * source / step - 1e-9).astype(int)
    offset = 0.5 * ((shape - 1) - (size - 1) * step / source)  # centres aligned
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    low = np.array([part.start for part in found])
    high = np.array([part.stop - 1 for part in found])

    # Output indices around the region, and the input crop these need.
    first = np.floor(((low - 1 - offset) * source - margin) / step).astype(int)
    last = np.ceil(((high + 1 - offset) * source + margin) / step).astype(int)
    first, last = np.maximum(first, 0), np.minimum(last, size - 1)
    extra = 2 if settings.interpolator == "linear" else SPLINE_MARGIN
    start = np.floor(first * step / source + offset).astype(int) - extra
    stop = np.ceil(last * step / source + offset).astype(int) + extra + 1
    start, stop = np.maximum(start, 0), np.minimum(stop, shape)
    crop = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    data, mask = data[crop], mask[crop]

    finite = np.isfinite(data)
    if not finite.any():
        return data, mask, finite
    if not finite.all():
        nearest = ndimage.distance_transform_edt(
            ~finite, sampling=spacing, return_distances=False, return_indices=True
        )
        data = data[tuple(nearest)]

    def interpolate(array: np.ndarray, order: int) -> np.ndarray:
        return ndimage.affine_transform(
            array,
            step / source,
            offset=offset + first * step / source - start,
            output_shape=tuple(last - first + 1),
            order=order,
            mode="nearest",
        )

    if np.allclose(step, source, atol=1e-6):
        inner = tuple(slice(a, b + 1) for a, b in zip(first - start, last - start, strict=True))
        return data[inner], mask[inner], finite[inner]
    image = interpolate(data, ORDERS[settings.interpolator])
    region = interpolate(mask.astype(float), 1) >= HALF
    valid = interpolate(finite.astype(float), 1) >= HALF
    return image, region, valid
