"""Laplacian of Gaussian as pyradiomics computes it: 3D, scale-normalised."""

from __future__ import annotations

from functools import partial

import numpy as np

from osteoflow.radiomics.boxes import Box
from osteoflow.radiomics.filters.derived import DerivedImage
from osteoflow.radiomics.filters.recursive_gaussian import REACH_SIGMAS, laplacian_of_gaussian
from osteoflow.radiomics.settings import RadiomicsSettings


def laplacian_images(settings: RadiomicsSettings) -> list[DerivedImage]:
    """One image per sigma of ``filters.log_sigma_mm``."""
    return [
        DerivedImage(
            f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D",
            partial(_reach, sigma=sigma),
            partial(_filtered, sigma=sigma),
            f"Laplacian of Gaussian (3D), sigma {sigma:g} mm",
        )
        for sigma in settings.filters.log_sigma_mm
    ]


def _reach(step: float, sigma: float) -> float:
    return REACH_SIGMAS * sigma + step


def _filtered(
    image: np.ndarray,
    inner: Box,
    spacing: tuple[float, float, float],
    slice_axis: int | None,
    shared: dict,
    sigma: float,
) -> np.ndarray:
    # Single precision carries the noise of its last digit into the edges of grey levels: the
    # discretisation works in double precision as it does for every image.
    return laplacian_of_gaussian(image, inner, spacing, sigma).astype(np.float64)
