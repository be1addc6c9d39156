"""Shading of MRI by surface coils: found with N4 on a shrunk image, taken out of the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from osteoflow.errors import SubjectDataError
from osteoflow.io.volume import Volume
from osteoflow.radiomics.normalisation.settings import N4
from osteoflow.scipy_parts import ndimage

SMALLEST_MASK = 500
"""Shrunk voxels below which a histogram cannot be sharpened (this project's choice)."""


@dataclass(frozen=True)
class BiasField:
    """A field by which an image is to be divided.

    Parameters
    ----------
    field
        Positive factors of the image's shape; their geometric mean over the body is 1.
    spread
        Ratio of its 99th to its 1st percentile in the body.
    factors
        By how much each axis was shrunk for the estimate.
    """

    field: np.ndarray
    spread: float
    factors: tuple[int, int, int]


def estimate_bias_field(image: Volume, body: np.ndarray, settings: N4) -> BiasField:
    """Bias field of an image by N4.

    The image is averaged over blocks, so that noise does not broaden the histogram that N4
    sharpens; the logarithm of the field is interpolated back by cubic splines. One thread: sums
    over several would end in other digits on another machine.

    Parameters
    ----------
    image
        Shape (i, j, k), any positive scale.
    body
        Where there is signal, boolean.
    settings
        Voxel size of the estimate, iterations and convergence.

    Raises
    ------
    SubjectDataError
        ``body_too_small``: fewer than :data:`SMALLEST_MASK` shrunk voxels with signal.

    Notes
    -----
    Source: Tustison et al., IEEE TMI 2010;29:1310, as implemented in the Insight Toolkit.
    """
    usable = body & np.isfinite(image.data) & (image.data > 0)
    factors = shrink_factors(image.spacing, image.shape, settings.shrink_mm)
    # N4 takes logarithms: a scale makes results the same for every gain of the scanner.
    scale = float(np.median(image.data[usable])) if usable.any() else 1.0
    small, weight = _block_mean(image.data / scale, usable, factors)
    inside = weight >= 0.5
    if int(inside.sum()) < SMALLEST_MASK:
        raise SubjectDataError(
            "body_too_small",
            f"only {int(inside.sum())} voxels hold signal after shrinking by "
            f"{' x '.join(map(str, factors))}: too few for a bias field",
            "Choose a smaller n4.shrink_mm, or check that the image shows the body.",
        )
    spacing = np.array(image.spacing) * factors
    log_field = _n4(np.where(inside, small, 0.0), inside, spacing, settings)
    full = ndimage.affine_transform(
        log_field,
        1.0 / np.array(factors),
        offset=[(1 - factor) / (2 * factor) for factor in factors],
        output_shape=image.shape,
        order=3,
        mode="nearest",
    )
    full -= full[usable].mean()
    low, high = np.percentile(full[usable], (1, 99))
    return BiasField(np.exp(full), float(np.exp(high - low)), factors)


def shrink_factors(
    spacing: tuple[float, float, float], shape: tuple[int, int, int], shrink_mm: float
) -> tuple[int, int, int]:
    """Factors that bring all axes near one voxel size: thick slices stay as they are.

    An axis keeps at least four voxels, the control points of the coarsest spline.
    """
    return tuple(
        max(1, min(round(shrink_mm / step), size // 4))
        for step, size in zip(spacing, shape, strict=True)
    )


def _block_mean(
    data: np.ndarray, usable: np.ndarray, factors: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the usable voxels of each block, and their share of it; the last block of an axis
    may reach beyond the image."""
    lacking = [(0, -size % factor) for size, factor in zip(data.shape, factors, strict=True)]
    weights = np.pad(usable.astype(float), lacking)
    values = np.pad(np.where(usable, data, 0.0), lacking)
    blocks = [part for n, f in zip(weights.shape, factors, strict=True) for part in (n // f, f)]
    counts = weights.reshape(blocks).sum(axis=(1, 3, 5))
    sums = values.reshape(blocks).sum(axis=(1, 3, 5))
    return sums / np.maximum(counts, 1), counts / np.prod(factors)


def _n4(data: np.ndarray, inside: np.ndarray, spacing: np.ndarray, settings: N4) -> np.ndarray:
    """Logarithm of the field on the shrunk grid."""
    # Loaded here: most recipes do without.
    import SimpleITK

    image, mask = (
        SimpleITK.GetImageFromArray(array.T)
        for array in (data.astype(np.float32), inside.astype(np.uint8))
    )
    for item in (image, mask):
        item.SetSpacing([float(step) for step in spacing])
    threads = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        corrector = SimpleITK.N4BiasFieldCorrectionImageFilter()
        corrector.SetMaximumNumberOfIterations(list(settings.iterations))
        corrector.SetConvergenceThreshold(settings.convergence)
        corrector.Execute(image, mask)
        log_field = corrector.GetLogBiasFieldAsImage(image)
    finally:
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    return SimpleITK.GetArrayFromImage(log_field).T.astype(float)
